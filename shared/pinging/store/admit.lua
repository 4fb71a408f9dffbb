-- admit.lua: whether a ping's buyers may be asked, and which of them; from then on equal pings wait for its outcome.
-- Behind opening.lua and candidates.lua; KEYS and ARGV: opening.lua.
-- ARGV 8 the candidates that must be asked 11 the ping that this one has waited for ('' none) 13 ms for which they are asked
-- Returns as opening.lua does, or {asking, until_ms, uuid} {over, reason} (the ping that was waited for found nobody)
--      {ask, letters, shadow}: a letter for each candidate: k ask it, o beyond the outbound limit, else as in candidates.lua
local answer = opening()
if answer then return answer end

if not is('a') then
  local uuid, until_ms, reason = string.match(live(seen[asking_field], now) or '', '^([^|]*)|(%d+)|(.*)$')
  if uuid and reason == '' and uuid ~= ARGV[3] then return {'asking', tonumber(until_ms), uuid} end
  if uuid and reason ~= '' and uuid == ARGV[11] then return {'over', reason} end
end
answer = limits()
if answer then return answer end

-- The instant of a grant is now; a grant is forgotten when the window that it began is over.
local function granted(wanted)
  if ARGV[27] == '' then return wanted end
  local most = tonumber(ARGV[27])
  redis.call('LTRIM', KEYS[7], -most, -1)
  for _ = 1, wanted do
    local oldest = tonumber(redis.call('LINDEX', KEYS[7], 0))
    if not oldest or oldest > now - ARGV[28] then break end
    redis.call('LPOP', KEYS[7])
  end
  local room = most - redis.call('LLEN', KEYS[7])
  if room < wanted then
    shadow = shadow .. (is('o') and 'o' or '')
    wanted = is('o') and wanted or room
  end
  for _ = 1, wanted do redis.call('RPUSH', KEYS[7], now) end
  redis.call('PEXPIRE', KEYS[7], ARGV[28])
  return wanted
end

local letters, wanted = all_verdicts(ARGV[8], member, KEYS[2])
local free = granted(wanted)
local marks = {}
for letter in string.gmatch(letters, '.') do
  if letter == 'k' and free == 0 then letter = 'o' elseif letter == 'k' then free = free - 1 end
  marks[#marks + 1] = letter
end
if not is('a') then
  redis.call('HSET', KEYS[8], asking_field, ARGV[3] .. '|' .. now + ARGV[13] .. '|')
  keep(KEYS[8], tonumber(ARGV[13]), next(seen) == nil)
end
return {'ask', table.concat(marks), shadow}
