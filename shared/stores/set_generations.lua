-- set_generations.lua: which list generations are live: all at once, so that a swap shows no empty list.
-- KEYS 1 head
-- ARGV 1 run_id 2 rebuild token 3 company 4 turn 5.. generation and list id in turn ('' = it is not live)
-- Returns {ok} {cold} {late}
local refused = refusal(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if refused then return refused end
for i = 5, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], 'g:' .. ARGV[i])
  else
    redis.call('HSET', KEYS[1], 'g:' .. ARGV[i], ARGV[i + 1])
  end
end
return {'ok'}
