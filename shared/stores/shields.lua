-- shields.lua: which of a caller's reservations a ping repeats. Put behind callers.lua; it returns nothing itself.

-- The live reservation that shields a campaign, whichever key made it: of several the one that lives longest.
local function shield_of(seen, campaign, now)
  local held = seen['m' .. campaign] or ''
  held = live(string.find(held, '|', 1, true) and held or seen['k' .. held], now)
  return held and read_reservation(held).campaign == campaign and held or nil
end

-- The live reservation that a ping repeats: its key's own, whatever the campaign; or (campaign given) any of the campaign's.
local function earlier_of(seen, key, campaign, now)
  local own = live(seen['k' .. key], now)
  if not campaign or own and read_reservation(own).campaign == campaign then return own end
  return shield_of(seen, campaign, now)
end

-- Notes a reservation. The key's earlier one, live in another campaign, moves into that campaign's field: it shields on.
-- A key that shields only itself may reserve where another key's reservation lives on longer: that one stays the shield.
local function remember(caller, seen, r, text, now)
  local fields, place = {'k' .. r.key, text}, 'm' .. r.campaign
  local held = shield_of(seen, r.campaign, now)
  if not held or tonumber(read_reservation(held).expires) <= r.expires then fields[3], fields[4] = place, r.key end
  local old = live(seen['k' .. r.key], now)
  local from = old and 'm' .. read_reservation(old).campaign
  if old and from ~= place and seen[from] == r.key then fields[#fields + 1], fields[#fields + 2] = from, old end
  if r.number ~= '' then
    fields[#fields + 1], fields[#fields + 2] = 'n' .. r.number, r.uuid .. '|' .. r.expires
  end
  redis.call('HSET', caller, unpack(fields))
  keep(caller, r.expires - now, next(seen) == nil)
end

-- A reservation that is given back leaves the hash that noted it.
local function forget(caller, r, text)
  local own, place, number = 'k' .. r.key, 'm' .. r.campaign, 'n' .. r.number
  if redis.call('HGET', caller, own) == text then
    redis.call('HDEL', caller, own)
    if redis.call('HGET', caller, place) == r.key then redis.call('HDEL', caller, place) end
  end
  if string.match(redis.call('HGET', caller, number) or '', '^[^|]*') == r.uuid then redis.call('HDEL', caller, number) end
end
