-- confirm.lua: a reserved caller is confirmed by its publisher; takes the place in caps now unless it was at reserve.
-- Behind fence.lua, places.lua, callers.lua.
-- KEYS 1 head 2 caller 3 reservation 4 fills 5 due 6 events
-- ARGV 1 run_id 2 company 3 version 4 now_ms 5 uuid 6 key 7 caps of the winner now (MessagePack) 8 flags: t test, g the winner is gone from the campaign
-- Returns {cold} {clock} {stale} {none} (another key's, or unknown) {expired} {full} {confirmed, text} {claimed, text}
local now, flags = now_ms(), ARGV[8]
local function is(flag) return string.find(flags, flag, 1, true) ~= nil end
local refusal = fenced(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], now)
if refusal then return refusal end
release_due(KEYS[5], KEYS[4], now)

local text = redis.call('GET', KEYS[3])
local r = text and read_reservation(text)
if not r or r.key ~= ARGV[6] then return {'none'} end
if r.status == 'claimed' then return {'claimed', text} end
if not live(text, now) then return {'expired'} end
if r.status == 'confirmed' then return {'confirmed', text} end

if is('g') then return {'full'} end
if r.subjects == '' and not is('t') then
  local fields = {}
  local caps = cmsgpack.unpack(ARGV[7])
  fields_of(caps, fields)
  if full(caps, known_of(KEYS[4], fields)) then return {'full'} end
  r.subjects = hold(caps, r.uuid, r.expires, KEYS[4], KEYS[5])
end
r.status = 'confirmed'
local confirmed = write_reservation(r)
redis.call('SET', KEYS[3], confirmed, 'KEEPTTL')
revise(KEYS[2], r, text, confirmed)
redis.call('XADD', KEYS[6], '*', 'c', table.concat({r.uuid, now, r.subjects}, '|'))
return {'confirmed', confirmed}
