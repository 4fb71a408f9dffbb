-- callers.lua: a caller's hash, and the text of a reservation. Put in front of a script; it returns nothing itself.
-- A reservation's text: `status|expires_ms|company|key|publisher|campaign|number|subjects|caller|uuid`, newline, the winner.

local function read_hash(key)
  local seen, flat = {}, redis.call('HGETALL', key)
  for i = 1, #flat, 2 do seen[flat[i]] = flat[i + 1] end
  return seen
end

-- Any text whose second field is an expiry; nil once that has passed.
local function live(text, now)
  return text and tonumber(string.match(text, '^[^|]*|(%d+)')) > now and text or nil
end

local function revision(text) return text and string.match(text, '^%d+') or '0' end

local function read_reservation(text)
  local r = {winner = string.match(text, '\n(.*)$')}
  r.status, r.expires, r.company, r.key, r.publisher, r.campaign, r.number, r.subjects, r.caller, r.uuid =
    string.match(text, '^(%a+)|(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|([^|]*)|([^|]*)|([^|]*)|([^|\n]*)\n')
  return r
end

local function write_reservation(r)
  return table.concat({r.status, r.expires, r.company, r.key, r.publisher, r.campaign, r.number, r.subjects, r.caller,
    r.uuid}, '|') .. '\n' .. r.winner
end

-- The first number that carries no other live reservation of this caller. Without a caller the hash holds leases, and a
-- key may lease at most half of the pool (`uuid|expires_ms|key`). nil when there is none.
local function free_number(seen, numbers, now, leasing_key)
  local pool, leased, first = 0, 0, nil
  for number in string.gmatch(numbers, '[^,]+') do
    local taken = live(seen['n' .. number], now)
    if not taken then
      if not leasing_key then return number end
      first = first or number
    elseif string.match(taken, '|(%d+)$') == leasing_key then
      leased = leased + 1
    end
    pool = pool + 1
  end
  return first and (leased + 1) * 2 <= math.max(pool, 2) and first or nil
end

-- The hash stays as long as its newest field.
local function keep(key, ttl_ms, is_new)
  if is_new or redis.call('PTTL', key) < ttl_ms then redis.call('PEXPIRE', key, ttl_ms) end
end

-- A reservation's new text, wherever the caller's hash has the old one; whether it has.
local function revise(caller, r, old, new)
  local found = false
  for _, field in ipairs({'k' .. r.key, 'm' .. r.campaign}) do
    if redis.call('HGET', caller, field) == old then
      redis.call('HSET', caller, field, new)
      found = true
    end
  end
  return found
end
