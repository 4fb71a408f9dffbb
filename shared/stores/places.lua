-- places.lua: what several scripts say of places in caps. Put in front of a script; it returns nothing itself.
-- caps text: `subject,concurrency,hard,hourly,daily,monthly,hour_at,day_at,month_at`, `;` between, -1 = no limit.
-- fills hash: <subject> = `hour_at hour_n day_at day_n month_at month_n hard_n live_n rev`, h:<subject> = live holds.

local CAP = '([bg]%d+),(%-?%d+),(%-?%d+),(%-?%d+),(%-?%d+),(%-?%d+),(%d+),(%d+),(%d+)'

-- At most 64 holds whose time is over are given back; who removes the member takes the hold away, so each goes once.
local function release_due(due, fills, now)
  local members = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 64)
  for _, member in ipairs(members) do
    if redis.call('ZREM', due, member) == 1 then
      for subject in string.gmatch(string.match(member, '|(.*)$'), '[bg]%d+') do
        if redis.call('HINCRBY', fills, 'h:' .. subject, -1) <= 0 then redis.call('HDEL', fills, 'h:' .. subject) end
      end
    end
  end
  return #members
end

local function over(limit, taken)
  limit = tonumber(limit)
  return limit >= 0 and taken >= limit
end

-- A window of the mirror that began before ours counts nothing; one that began later is a clock ahead of ours: it counts.
local function in_window(at, n, ours)
  return tonumber(at) >= tonumber(ours) and tonumber(n) or 0
end

-- known: subject and h:subject to their values. 'c' when a buyer of the caps text has no place left, 'g' when a group, else nil.
local function full(caps, known)
  for subject, conc, hard, hourly, daily, monthly, hour_at, day_at, month_at in string.gmatch(caps, CAP) do
    local holds = tonumber(known['h:' .. subject] or 0)
    local ha, hn, da, dn, ma, mn, n, live = string.match(known[subject] or '0 0 0 0 0 0 0 0 0',
      '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)')
    if over(conc, live + holds) or over(hard, n + holds) or over(hourly, in_window(ha, hn, hour_at) + holds)
      or over(daily, in_window(da, dn, day_at) + holds) or over(monthly, in_window(ma, mn, month_at) + holds) then
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
  for subject in string.gmatch(caps, '([bg]%d+),') do
    fields[#fields + 1] = subject
    fields[#fields + 1] = 'h:' .. subject
  end
end

-- Takes a hold on every subject of the caps text until expires_ms; returns them as `b12,g3`.
local function hold(caps, uuid, expires_ms, fills, due)
  local subjects = {}
  for subject in string.gmatch(caps, '([bg]%d+),') do
    subjects[#subjects + 1] = subject
    redis.call('HINCRBY', fills, 'h:' .. subject, 1)
  end
  local text = table.concat(subjects, ',')
  if text ~= '' then redis.call('ZADD', due, expires_ms, uuid .. '|' .. text) end
  return text
end
