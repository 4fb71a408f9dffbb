-- claim.lua: a reservation has become a call, as Postgres has it: it is marked, its hold is given back, the mirror follows.
-- Behind fence.lua, places.lua, callers.lua, fills.lua, finishes.lua. May come again: everything here happens once.
-- KEYS 1 head 2 caller 3 the same of its key's tests: one of them has noted it 4 reservation 5 fills 6 due 7 the key's finishes
-- ARGV 1 run_id 2.. subject and mirror text in turn
-- Returns {cold} (nothing was touched) {none} (it is gone, only the mirror was assigned) {again} {claimed}
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return {'cold'} end
assign_newer(KEYS[5], 2)
local text = redis.call('GET', KEYS[4])
if not text then return {'none'} end
local r = read_reservation(text)
if r.status == 'claimed' then return {'again'} end

drop_hold(r.uuid .. '|' .. r.subjects, KEYS[5], KEYS[6])
r.status = 'claimed'
local claimed = write_reservation(r)
redis.call('SET', KEYS[4], claimed, 'KEEPTTL')
revise(KEYS[2], r, text, claimed)
if not revise(KEYS[3], r, text, claimed) then count_finish(KEYS[7], 'c', 1, now_ms()) end
return {'claimed'}
