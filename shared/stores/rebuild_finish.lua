-- rebuild_finish.lua: the shard is whole again; written last of all.
-- KEYS 1 head
-- ARGV 1 run_id of the server that was rebuilt 2 token of this rebuild
-- Returns {ok} {gone} (another server answers, or another rebuild took over: the shard stays cold)
if string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') ~= ARGV[1] then return {'gone'} end
if redis.call('HGET', KEYS[1], 'rebuild') ~= ARGV[2] then return {'gone'} end
redis.call('HDEL', KEYS[1], 'rebuild')
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
return {'ok'}
