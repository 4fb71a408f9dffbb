-- fills.lua: how the mirror of committed cap places is written. Put in front of a script; it returns nothing itself.
-- Only ever assigned, and only where it is newer: the last number of the text is its rev, which grows with each change.

local function rev(text) return tonumber(string.match(text or '', '(%d+)$') or 0) end

-- ARGV from `first` on holds subject and mirror text in turn. Returns how many were newer.
local function assign_newer(fills, first)
  local assigned = 0
  for i = first, #ARGV, 2 do
    if rev(redis.call('HGET', fills, ARGV[i])) < rev(ARGV[i + 1]) then
      redis.call('HSET', fills, ARGV[i], ARGV[i + 1])
      assigned = assigned + 1
    end
  end
  return assigned
end
