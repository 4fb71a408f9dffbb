-- reserve.lua: a ping's whole hot state in one step: reserve the first candidate that may take the caller, or say why none.
-- Behind opening.lua and candidates.lua; KEYS and ARGV: opening.lua.
-- ARGV 11 verdicts so far 13 the reason for equal pings that wait, when nobody takes the caller
-- Returns {cold} {clock} {stale} {full} {tags, t0, tp} {limited, ms} {repeat, text} {duplicate, uuid} {more, verdicts}
--      {no-target, verdicts, shadow} {reserved, place, number, expires_ms, verdicts, shadow, result}
--      shadow: limits that only counted; result: what is to be logged once the winner has been posted to (flag P), else ''
local answer = opening() or limits()
if answer then return answer end

local number = free_number(seen, ARGV[7], now, is('a') and ARGV[16] or nil)
if not number and not is('s') and ARGV[8] ~= '' then return no_target('N') end

local won, verdicts = first_free(ARGV[8], member, KEYS[2])
verdicts = ARGV[11] .. verdicts
if not won then return is('m') and {'more', verdicts} or no_target(verdicts) end

local ttl, expires = tonumber(ARGV[19]), now + ARGV[19]
local subjects = is('h') and not is('t') and hold(won[1], ARGV[3], expires, KEYS[2], KEYS[3]) or ''
number = number or ''
local r = {status = 'reserved', expires = expires, company = ARGV[14], key = ARGV[16], publisher = ARGV[17],
  campaign = ARGV[18], number = number, subjects = subjects, caller = ARGV[12], uuid = ARGV[3], winner = won[3]}
local text = write_reservation(r)
redis.call('SET', KEYS[9], text, 'PX', ttl + 60000)
if not is('a') then
  if is('A') and not is('P') then redis.call('HDEL', KEYS[8], asking_field) end
  remember(KEYS[8], seen, r, text, now)
elseif number ~= '' then
  redis.call('HSET', KEYS[8], 'n' .. number, ARGV[3] .. '|' .. expires + 30000 .. '|' .. ARGV[16])
  keep(KEYS[8], ttl + 30000, next(seen) == nil)
end
local result = table.concat({'reserved', verdicts, expires, number, subjects, '', 'reserved'}, '|')
if not is('P') then log(result, won[3]) end
return {'reserved', #verdicts - #ARGV[11], number, expires, verdicts, shadow, is('P') and result or ''}
