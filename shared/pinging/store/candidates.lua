-- candidates.lua: the walk over a ping's candidates, best first. Put behind places.lua and lists.lua; it returns nothing itself.
-- candidates: MessagePack in ARGV, one after the other: {caps, lists, winner}. Four at a time are unpacked and looked up:
-- most pings need no more.

-- Calls judge(candidate, letter) for each: k may take the caller, c buyer capped, g group capped, s suppressed, a not accepted;
-- until it says that this was enough.
local function walk(candidates, member, fills, judge)
  local at = #candidates > 0 and 0 or -1
  while at >= 0 do
    local batch, fields = {cmsgpack.unpack_limit(candidates, 4, at)}, {}
    at = batch[1]
    for i = 2, #batch do fields_of(batch[i][1], fields) end
    local known = known_of(fills, fields)
    for i = 2, #batch do
      if judge(batch[i], judged(batch[i][2], member) or full(batch[i][1], known) or 'k') then return end
    end
  end
end

-- Returns the first candidate whose lists welcome the caller and whose subjects all have a place left, or nil; and a letter
-- for each one tried.
local function first_free(candidates, member, fills)
  local won, verdicts = nil, ''
  walk(candidates, member, fills, function(candidate, letter)
    verdicts = verdicts .. letter
    won = letter == 'k' and candidate or nil
    return won
  end)
  return won, verdicts
end

-- A letter for each candidate, and how many of them may take the caller.
local function all_verdicts(candidates, member, fills)
  local letters, free = {}, 0
  walk(candidates, member, fills, function(_, letter)
    letters[#letters + 1] = letter
    if letter == 'k' then free = free + 1 end
  end)
  return table.concat(letters), free
end
