-- candidates.lua: the walk over a ping's candidates, best first. Put behind places.lua and lists.lua; it returns nothing itself.
-- candidates: a list (MessagePack in ARGV) of {caps, lists, winner}. The mirror is read for eight at a time.

-- Returns the first candidate whose lists welcome the caller and whose subjects all have a place left, or nil; and a letter
-- for each one tried: k taken, c buyer capped, g group capped, s suppressed, a not accepted.
local function first_free(candidates, member, fills)
  local verdicts = ''
  for first = 1, #candidates, 8 do
    local last, fields = math.min(first + 7, #candidates), {}
    for i = first, last do fields_of(candidates[i][1], fields) end
    local known = known_of(fills, fields)
    for i = first, last do
      local candidate = candidates[i]
      local verdict = judged(candidate[2], member) or full(candidate[1], known) or 'k'
      verdicts = verdicts .. verdict
      if verdict == 'k' then return candidate, verdicts end
    end
  end
  return nil, verdicts
end
