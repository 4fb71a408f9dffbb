-- rebuild_write.lua: fields of one hash, as Postgres knows them. A late one, of a rebuild that was given up, does nothing.
-- KEYS 1 head 2 hash (may be the head)
-- ARGV 1 token of the rebuild 2 ttl_ms the hash must live at least (0 = for good) 3.. fields and values in turn
-- Returns {ok} {gone}
if redis.call('HGET', KEYS[1], 'rebuild') ~= ARGV[1] then return {'gone'} end
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
local ttl = tonumber(ARGV[2])
if ttl > 0 and redis.call('PTTL', KEYS[2]) < ttl then redis.call('PEXPIRE', KEYS[2], ttl) end
return {'ok'}
