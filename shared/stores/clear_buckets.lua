-- clear_buckets.lua: buckets of callers are emptied, before they are written anew or when no plan reads them any more.
-- KEYS 1 head 2.. buckets
-- ARGV 1 run_id 2 rebuild token 3 company 4 turn
-- Returns {ok} {cold} {late}
local refused = refusal(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if refused then return refused end
redis.call('UNLINK', unpack(KEYS, 2))
return {'ok'}
