-- places.lua: what several scripts say of places in caps. Put in front of a script; it returns nothing itself.
-- caps: a flat list (MessagePack in ARGV), for each subject: its name, the limits of concurrency, hard, hourly, daily and monthly
-- (-1 = none), and the starts of its hour, day and month. A subject without any limit is left out.
-- fills hash: <subject> = `hour_at hour_n day_at day_n month_at month_n hard_n live_n rev`, h:<subject> = live holds.

-- Gives a hold back, once: who removes the member takes the hold away. `uuid|b12,g3`
local function drop_hold(member, fills, due)
  if redis.call('ZREM', due, member) == 0 then return end
  for subject in string.gmatch(string.match(member, '|(.*)$'), '[bg]%d+') do
    if redis.call('HINCRBY', fills, 'h:' .. subject, -1) <= 0 then redis.call('HDEL', fills, 'h:' .. subject) end
  end
end

-- At most 64 holds whose time is over are given back.
local function release_due(due, fills, now)
  local members = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 64)
  for _, member in ipairs(members) do drop_hold(member, fills, due) end
  return #members
end

-- A window of the mirror that began before ours counts nothing; one that began later is a clock ahead of ours: it counts.
local function over(limit, at, taken, ours, holds)
  return limit >= 0 and (tonumber(at) >= ours and tonumber(taken) or 0) + holds >= limit
end

-- known: subject and h:subject to their values. 'c' when a buyer of the caps has no place left, 'g' when a group, else nil.
local function full(caps, known)
  for i = 1, #caps, 9 do
    local subject, holds = caps[i], tonumber(known['h:' .. caps[i]] or 0)
    local ha, hn, da, dn, ma, mn, n, live = '0', '0', '0', '0', '0', '0', '0', '0'
    if known[subject] then
      ha, hn, da, dn, ma, mn, n, live = string.match(known[subject], '(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)')
    end
    if over(caps[i + 1], 0, live, 0, holds) or over(caps[i + 2], 0, n, 0, holds) or over(caps[i + 3], ha, hn, caps[i + 6], holds)
      or over(caps[i + 4], da, dn, caps[i + 7], holds) or over(caps[i + 5], ma, mn, caps[i + 8], holds) then
      return string.sub(subject, 1, 1) == 'g' and 'g' or 'c'
    end
  end
  return nil
end

-- fields: names wanted of the fills hash, no more than a few dozen.
local function known_of(fills, fields)
  local known = {}
  if #fields > 0 then
    for i, value in ipairs(redis.call('HMGET', fills, unpack(fields))) do known[fields[i]] = value or nil end
  end
  return known
end

local function fields_of(caps, fields)
  for i = 1, #caps, 9 do
    fields[#fields + 1] = caps[i]
    fields[#fields + 1] = 'h:' .. caps[i]
  end
end

-- Takes a hold on every subject of the caps until expires_ms; returns them as `b12,g3`.
local function hold(caps, uuid, expires_ms, fills, due)
  local subjects = {}
  for i = 1, #caps, 9 do
    subjects[#subjects + 1] = caps[i]
    redis.call('HINCRBY', fills, 'h:' .. caps[i], 1)
  end
  local text = table.concat(subjects, ',')
  if text ~= '' then redis.call('ZADD', due, expires_ms, uuid .. '|' .. text) end
  return text
end
