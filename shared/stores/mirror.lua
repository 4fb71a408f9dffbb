-- mirror.lua: the mirror of committed cap places of any subjects of a shard, outside of any turn. Behind fills.lua.
-- KEYS 1 head 2 fills
-- ARGV 1 run_id 2.. subject and mirror text in turn
-- Returns {cold} (nothing was touched) {ok, how many were newer}
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return {'cold'} end
return {'ok', assign_newer(KEYS[2], 2)}
