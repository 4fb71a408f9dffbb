-- reservation.lua: one reservation, when the shard's memory can be trusted.
-- KEYS 1 head 2 reservation
-- ARGV 1 run_id
-- Returns {cold} {none} {found, text}
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return {'cold'} end
local text = redis.call('GET', KEYS[2])
return text and {'found', text} or {'none'}
