-- set_version.lua: a company's config version, upwards only: plans that are older are stale from here on.
-- KEYS 1 head
-- ARGV 1 run_id 2 rebuild token ('' = the shard serves) 3 company 4 turn 5 version
-- Returns {ok} {cold} {late}
local refused = refusal(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if refused then return refused end
local field = 'v:' .. ARGV[3]
if tonumber(redis.call('HGET', KEYS[1], field) or 0) < tonumber(ARGV[5]) then redis.call('HSET', KEYS[1], field, ARGV[5]) end
return {'ok'}
