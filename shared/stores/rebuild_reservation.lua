-- rebuild_reservation.lua: one live reservation with its holds, as the ping log knows it.
-- KEYS 1 head 2 reservation 3 fills 4 due
-- ARGV 1 token of the rebuild 2 text 3 ttl_ms 4 expires_ms 5 uuid 6 subjects (`b12,g3`, may be empty)
-- Returns {ok} {gone}
if redis.call('HGET', KEYS[1], 'rebuild') ~= ARGV[1] then return {'gone'} end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
if ARGV[6] ~= '' and redis.call('ZADD', KEYS[4], ARGV[4], ARGV[5] .. '|' .. ARGV[6]) == 1 then
  for subject in string.gmatch(ARGV[6], '[bg]%d+') do redis.call('HINCRBY', KEYS[3], 'h:' .. subject, 1) end
end
return {'ok'}
