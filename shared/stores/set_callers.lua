-- set_callers.lua: in which list generations callers of one bucket stand.
-- KEYS 1 head 2 bucket
-- ARGV 1 run_id 2 rebuild token 3 company 4 turn 5.. field and generations (`g,g`) in turn ('' = in none)
-- Returns {ok} {cold} {late}
local refused = refusal(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if refused then return refused end
for i = 5, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[2], ARGV[i])
  else
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  end
end
return {'ok'}
