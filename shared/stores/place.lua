-- place.lua: which candidates have a place left for a call, before one is taken in Postgres: mirror + the holds of others.
-- Behind fence.lua, places.lua, callers.lua.
-- KEYS 1 head 2 fills 3 due 4 the call's own reservation (none: any key that is not there)
-- ARGV 1 run_id 2 company 3 version 4 now_ms 5 candidates: their caps (MessagePack), one after the other, at most 64
-- Returns {cold} {clock} {stale} {ok, a letter for each candidate: k free, c buyer capped, g group capped}
local now = now_ms()
local refusal = fenced(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], now)
if refusal then return refusal end
release_due(KEYS[3], KEYS[2], now)

local own, text = {}, redis.call('GET', KEYS[4])
local r = text and read_reservation(text)
if r and tonumber(redis.call('ZSCORE', KEYS[3], r.uuid .. '|' .. r.subjects) or 0) > now then
  for subject in string.gmatch(r.subjects, '[bg]%d+') do own[subject] = 1 end
end

local verdicts, at = {}, #ARGV[5] > 0 and 0 or -1
while at >= 0 do
  local batch, fields = {cmsgpack.unpack_limit(ARGV[5], 8, at)}, {}
  at = batch[1]
  for i = 2, #batch do fields_of(batch[i], fields) end
  local known = known_of(KEYS[2], fields)
  for subject in pairs(own) do
    known['h:' .. subject] = known['h:' .. subject] and known['h:' .. subject] - 1
  end
  for i = 2, #batch do verdicts[#verdicts + 1] = full(batch[i], known) or 'k' end
end
return {'ok', table.concat(verdicts)}
