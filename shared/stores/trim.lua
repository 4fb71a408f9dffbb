-- trim.lua: entries of the event stream that stand in Postgres are let go.
-- KEYS 1 head 2 events
-- ARGV 1 run_id 2 the first id that is still needed
-- Returns {cold} (a Redis whose stream was numbered by another: nothing is trimmed) {ok, entries let go}
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return {'cold'} end
return {'ok', redis.call('XTRIM', KEYS[2], 'MINID', ARGV[2])}
