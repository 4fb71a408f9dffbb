-- sweep.lua: holds whose time is over are given back on a shard where nobody pings. Behind fence.lua, places.lua.
-- KEYS 1 head 2 due 3 fills
-- ARGV 1 run_id 2 how many at most, rounded up to 64
-- Returns {cold} (nothing was touched) {ok, holds given back}
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return {'cold'} end
local now, given, last = now_ms(), 0, 64
while last == 64 and given < tonumber(ARGV[2]) do
  last = release_due(KEYS[2], KEYS[3], now)
  given = given + last
end
return {'ok', given}
