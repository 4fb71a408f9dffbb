-- set_tags.lua: the tags that are stored for one caller, whole: what Postgres has no more goes.
-- KEYS 1 head 2 caller
-- ARGV 1 run_id 2 rebuild token 3 company 4 turn 5 ttl_ms the hash must live at least 6.. publisher and text in turn
-- Returns {ok} {cold} {late}
local refused = refusal(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if refused then return refused end
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  if string.match(field, '^t%d+$') then redis.call('HDEL', KEYS[2], field) end
end
for i = 6, #ARGV, 2 do redis.call('HSET', KEYS[2], 't' .. ARGV[i], ARGV[i + 1]) end
local ttl = tonumber(ARGV[5])
if #ARGV > 5 and redis.call('PTTL', KEYS[2]) < ttl then redis.call('PEXPIRE', KEYS[2], ttl) end
return {'ok'}
