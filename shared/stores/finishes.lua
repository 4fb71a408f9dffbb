-- finishes.lua: how a key's reservations have ended of late. Put in front of a script; it returns nothing itself.
-- finishes hash: c<minute> = claimed, x<minute> = expired in that minute; at, c, x = the sums of the 60 minutes before `at`.
local HOUR = 60

local function minute_of(now) return math.floor(now / 60000) end

-- kind: c or x. The hash goes an hour after its last change.
local function count_finish(finishes, kind, n, now)
  redis.call('HINCRBY', finishes, kind .. minute_of(now), n)
  redis.call('PEXPIRE', finishes, (HOUR + 2) * 60000)
end

-- Sums the minutes up once a minute, and forgets those that are over.
local function fold_finishes(finishes, minute)
  local sums, old, flat = {c = 0, x = 0}, {}, redis.call('HGETALL', finishes)
  for i = 1, #flat, 2 do
    local kind, at = string.match(flat[i], '^([cx])(%d+)$')
    if kind and tonumber(at) < minute - HOUR then
      old[#old + 1] = flat[i]
    elseif kind and tonumber(at) < minute then
      sums[kind] = sums[kind] + flat[i + 1]
    end
  end
  if #old > 0 then redis.call('HDEL', finishes, unpack(old)) end
  if #flat > 0 then redis.call('HSET', finishes, 'at', minute, 'c', sums.c, 'x', sums.x) end
  return sums.c, sums.x
end

-- claimed and expired in the hour before this minute.
local function finishes_of(finishes, now)
  local minute, known = minute_of(now), redis.call('HMGET', finishes, 'at', 'c', 'x')
  if tonumber(known[1]) == minute then return tonumber(known[2]), tonumber(known[3]) end
  return fold_finishes(finishes, minute)
end
