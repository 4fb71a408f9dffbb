-- set_callers.lua: in which list generations some callers stand.
-- KEYS 1 head 2.. buckets
-- ARGV 1 run_id 2 rebuild token 3 company 4 turn 5.. a bucket's place in KEYS, field and generations (`g,g`) in turn ('' = in none)
-- Returns {ok} {cold} {late}
local refused = refusal(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if refused then return refused end
for i = 5, #ARGV, 3 do
  local bucket = KEYS[tonumber(ARGV[i])]
  if ARGV[i + 2] == '' then
    redis.call('HDEL', bucket, ARGV[i + 1])
  else
    redis.call('HSET', bucket, ARGV[i + 1], ARGV[i + 2])
  end
end
return {'ok'}
