-- finished.lua: reservations of a shard's keys have run out. Behind fence.lua, finishes.lua.
-- KEYS 1 head 2.. finishes of the keys
-- ARGV 1 run_id 2.. how many expired, in the order of the keys
-- Returns {cold} {counted}
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return {'cold'} end
local now = now_ms()
for i = 2, #KEYS do count_finish(KEYS[i], 'x', ARGV[i], now) end
return {'counted'}
