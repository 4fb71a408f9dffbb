-- reserve.lua: a ping's whole hot state in one step: reserve the first candidate that may take the caller, or say why none.
-- Behind fence.lua, places.lua, lists.lua, callers.lua, candidates.lua.
-- KEYS 1 head 2 caller (anonymous: the campaign's leases) 3 reservation 4 fills 5 due 6 events 7 list bucket 8 key state
-- ARGV 1 run_id 2 company 3 version 4 now_ms 5 uuid 6 key 7 publisher 8 campaign 9 ttl_ms
--      10 flags: h hold, c campaign scope, a anonymous, t test, s has a SIP domain, m more candidates follow, M these are they,
--         r the rate limit only counts, p the publisher is paused: only logged
--      11 stored tags evaluated `rev:rev` 12 rate limit a second (0 none) 13 list field ('' = on no list) 14 ping lists
--      15 numbers, best first, `,` between 16 candidates, best first (candidates.lua) 17 event 18 trace
--      19 soft and 20 hard stream length 21 verdicts so far 22 caller
-- Returns {cold} {clock} {stale} {full} {tags, t0, tp} {limited, ms} {repeat, text} {duplicate, uuid} {more, verdicts}
--      {no-target, verdicts, shadow} {reserved, place, number, expires_ms, verdicts, shadow}; shadow: limits that only counted
local now, flags = now_ms(), ARGV[10]
local function is(flag) return string.find(flags, flag, 1, true) ~= nil end
local refusal = fenced(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], now)
if refusal then return refusal end
local waiting = redis.call('XLEN', KEYS[6])
if waiting >= tonumber(ARGV[20]) then return {'full'} end
release_due(KEYS[5], KEYS[4], now)

local seen = read_hash(KEYS[2])
local t0, tp = live(seen.t0, now), live(seen['t' .. ARGV[7]], now)
if revision(t0) .. ':' .. revision(tp) ~= ARGV[11] then return {'tags', t0 or '', tp or ''} end

local function log(result, winner, untraced)
  local fields = {'e', ARGV[17], 'r', result}
  if winner then fields[5], fields[6] = 'w', winner end
  if not untraced and waiting < tonumber(ARGV[19]) then fields[#fields + 1], fields[#fields + 2] = 't', ARGV[18] end
  redis.call('XADD', KEYS[6], '*', unpack(fields))
end
local function no_target(verdicts, shadow)
  log('no-target|' .. verdicts .. '|||||')
  return {'no-target', verdicts, shadow or ''}
end

if is('p') then return no_target('') end
local member = members_of(KEYS[1], KEYS[7], ARGV[13])
local refused = judged(ARGV[14], member)
if refused then return no_target(string.upper(refused)) end

if not is('a') then
  local earlier = earlier_of(seen, ARGV[6], is('c') and ARGV[8], now)
  if earlier then
    local r = read_reservation(earlier)
    if r.publisher ~= ARGV[7] then
      log('duplicate|||||' .. r.uuid .. '|rejected', nil, true)
      return {'duplicate', r.uuid}
    end
    log(table.concat({'repeat', '', r.expires, r.number, '', r.uuid, r.status}, '|'), r.winner, true)
    return {'repeat', earlier}
  end
end

local shadow, rate = '', tonumber(ARGV[12])
if rate > 0 and not is('M') then
  local second = math.floor(now / 1000)
  local state = redis.call('HMGET', KEYS[8], 'sec', 'n')
  local n = tonumber(state[1]) == second and tonumber(state[2]) or 0
  if n >= rate then
    if not is('r') then return {'limited', (second + 1) * 1000 - now} end
    shadow = 'r'
  end
  redis.call('HSET', KEYS[8], 'sec', second, 'n', n + 1)
  redis.call('PEXPIRE', KEYS[8], 2000)
end

local number = free_number(seen, ARGV[15], now, is('a') and ARGV[6] or nil)
if not number and not is('s') and ARGV[16] ~= '' then return no_target('N', shadow) end

local won, verdicts = first_free(ARGV[16], member, KEYS[4])
verdicts = ARGV[21] .. verdicts
if not won then return is('m') and {'more', verdicts} or no_target(verdicts, shadow) end

local ttl, expires = tonumber(ARGV[9]), now + ARGV[9]
local subjects = is('h') and not is('t') and hold(won[1], ARGV[5], expires, KEYS[4], KEYS[5]) or ''
number = number or ''
local r = {status = 'reserved', expires = expires, company = ARGV[2], key = ARGV[6], publisher = ARGV[7], campaign = ARGV[8],
  number = number, subjects = subjects, caller = ARGV[22], uuid = ARGV[5], winner = won[3]}
local text = write_reservation(r)
redis.call('SET', KEYS[3], text, 'PX', ttl + 60000)
if not is('a') then
  remember(KEYS[2], seen, r, text, now)
elseif number ~= '' then
  redis.call('HSET', KEYS[2], 'n' .. number, ARGV[5] .. '|' .. expires + 30000 .. '|' .. ARGV[6])
  keep(KEYS[2], ttl + 30000, next(seen) == nil)
end
log(table.concat({'reserved', verdicts, expires, number, subjects, '', 'reserved'}, '|'), won[3])
return {'reserved', #verdicts - #ARGV[21], number, expires, verdicts, shadow}
