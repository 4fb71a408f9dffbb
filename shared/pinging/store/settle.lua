-- settle.lua: a reservation whose winner was posted to: it is logged and kept, or given back.
-- Behind opening.lua; KEYS and ARGV: opening.lua (9 and 10 as they are to be logged).
-- ARGV 8 the winner 11 the result to log; '' gives the reservation back
-- Returns {cold} {kept} {back}
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return {'cold'} end
local text = redis.call('GET', KEYS[9])
if ARGV[11] ~= '' then
  waiting = redis.call('XLEN', KEYS[4])
  if not is('a') then redis.call('HDEL', KEYS[8], asking_field) end
  log(ARGV[11], ARGV[8])
  return {'kept'}
end
if text then
  local r = read_reservation(text)
  drop_hold(r.uuid .. '|' .. r.subjects, KEYS[2], KEYS[3])
  redis.call('DEL', KEYS[9])
  forget(KEYS[8], r, text)
end
return {'back'}
