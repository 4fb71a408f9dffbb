-- held_for.lua: which reservation a caller of a number belongs to: the caller's own, else the number's lease. Behind fence.lua,
-- callers.lua. A lease outlives its reservation by 30 s, in which the number goes to nobody else: it counts no longer.
-- KEYS 1 head 2 caller 3 leases of the number's campaign
-- ARGV 1 run_id 2 number
-- Returns {cold} {none} {found, uuid}
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return {'cold'} end
local now, field = now_ms(), 'n' .. ARGV[2]
local held = live(redis.call('HGET', KEYS[2], field) or nil, now) or live(redis.call('HGET', KEYS[3], field) or nil, now + 30000)
return held and {'found', string.match(held, '^[^|]*')} or {'none'}
