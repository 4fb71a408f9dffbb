-- candidates.lua: the walk over a ping's candidates, best first. Put behind places.lua and lists.lua; it returns nothing itself.
-- candidates: newline between; each caps TAB lists TAB winner. The mirror is read for eight at a time.

-- Returns the first candidate whose lists welcome the caller and whose subjects all have a place left, or nil; and a letter
-- for each one tried: k taken, c buyer capped, g group capped, s suppressed, a not accepted.
local function first_free(candidates, member, fills)
  local verdicts, batch, fields, won = '', {}, {}, nil
  local function settle()
    local known = known_of(fills, fields)
    for _, candidate in ipairs(batch) do
      local verdict = judged(candidate.lists, member) or full(candidate.caps, known) or 'k'
      verdicts = verdicts .. verdict
      if verdict == 'k' then
        won = candidate
        return
      end
    end
    batch, fields = {}, {}
  end
  for caps, lists, winner in string.gmatch(candidates, '([^\t\n]*)\t([^\t\n]*)\t([^\n]*)') do
    batch[#batch + 1] = {caps = caps, lists = lists, winner = winner}
    fields_of(caps, fields)
    if #batch == 8 then settle() end
    if won then return won, verdicts end
  end
  settle()
  return won, verdicts
end
