-- rebuild_begin.lua: a cold shard is emptied of what may be stale; from here on only this rebuild may write it.
-- KEYS 1 head 2 fills 3 due
-- ARGV 1 run_id of the server that was to be rebuilt 2 token of this rebuild
-- Returns {ok} {gone} (another server answers: nothing was touched) {warm} (somebody else was quicker)
if string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') ~= ARGV[1] then return {'gone'} end
if redis.call('HGET', KEYS[1], 'epoch') == ARGV[1] then return {'warm'} end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'rebuild', ARGV[2])
return {'ok'}
