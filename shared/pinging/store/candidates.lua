-- candidates.lua: the walk over a ping's candidates, best first. Put behind places.lua and lists.lua; it returns nothing itself.
-- candidates: MessagePack in ARGV, one after the other: {caps, lists, winner}. Four at a time are unpacked and looked up:
-- most pings need no more.

-- Returns the first candidate whose lists welcome the caller and whose subjects all have a place left, or nil; and a letter
-- for each one tried: k taken, c buyer capped, g group capped, s suppressed, a not accepted.
local function first_free(candidates, member, fills)
  local verdicts, at = '', #candidates > 0 and 0 or -1
  while at >= 0 do
    local batch, fields = {cmsgpack.unpack_limit(candidates, 4, at)}, {}
    at = batch[1]
    for i = 2, #batch do fields_of(batch[i][1], fields) end
    local known = known_of(fills, fields)
    for i = 2, #batch do
      local verdict = judged(batch[i][2], member) or full(batch[i][1], known) or 'k'
      verdicts = verdicts .. verdict
      if verdict == 'k' then return batch[i], verdicts end
    end
  end
  return nil, verdicts
end
