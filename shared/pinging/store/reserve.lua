-- reserve.lua: a ping's whole hot state in one step: reserve the first candidate that may take the caller, or say why none.
-- Behind fence.lua, places.lua, lists.lua, callers.lua, candidates.lua.
-- KEYS 1 head 2 fills 3 due 4 events 5 key state 6 caller (anonymous: the campaign's leases) 7 reservation 8 list bucket
-- ARGV of this ping: 1 run_id 2 now_ms 3 uuid 4 flags: a anonymous, m more candidates follow, M these are they,
--         p the publisher is paused: only logged
--      5 stored tags evaluated `rev:rev` 6 list field ('' = on no list) 7 numbers, best first, `,` between
--      8 candidates, best first (candidates.lua) 9 event 10 trace 11 verdicts so far 12 caller
--      of all pings of its key and publisher: 13 company 14 version 15 key 16 publisher 17 campaign 18 ttl_ms
--      19 flags: h hold, c campaign scope, t test, s has a SIP domain, r the rate limit only counts
--      20 rate limit a second (0 none) 21 ping lists 22 soft and 23 hard stream length
-- Returns {cold} {clock} {stale} {full} {tags, t0, tp} {limited, ms} {repeat, text} {duplicate, uuid} {more, verdicts}
--      {no-target, verdicts, shadow} {reserved, place, number, expires_ms, verdicts, shadow}; shadow: limits that only counted
local now, flags = now_ms(), ARGV[4] .. ARGV[19]
local function is(flag) return string.find(flags, flag, 1, true) ~= nil end
local refusal = fenced(KEYS[1], ARGV[1], ARGV[13], ARGV[14], ARGV[2], now)
if refusal then return refusal end
local waiting = redis.call('XLEN', KEYS[4])
if waiting >= tonumber(ARGV[23]) then return {'full'} end
release_due(KEYS[3], KEYS[2], now)

local seen = read_hash(KEYS[6])
local t0, tp = live(seen.t0, now), live(seen['t' .. ARGV[16]], now)
if revision(t0) .. ':' .. revision(tp) ~= ARGV[5] then return {'tags', t0 or '', tp or ''} end

local function log(result, winner, untraced)
  local fields = {'e', ARGV[9], 'r', result}
  if winner then fields[5], fields[6] = 'w', winner end
  if not untraced and waiting < tonumber(ARGV[22]) then fields[#fields + 1], fields[#fields + 2] = 't', ARGV[10] end
  redis.call('XADD', KEYS[4], '*', unpack(fields))
end
local function no_target(verdicts, shadow)
  log('no-target|' .. verdicts .. '|||||')
  return {'no-target', verdicts, shadow or ''}
end

if is('p') then return no_target('') end
local member = members_of(KEYS[1], KEYS[8], ARGV[6])
local refused = judged(ARGV[21], member)
if refused then return no_target(string.upper(refused)) end

if not is('a') then
  local earlier = earlier_of(seen, ARGV[15], is('c') and ARGV[17], now)
  if earlier then
    local r = read_reservation(earlier)
    if r.publisher ~= ARGV[16] then
      log('duplicate|||||' .. r.uuid .. '|rejected', nil, true)
      return {'duplicate', r.uuid}
    end
    log(table.concat({'repeat', '', r.expires, r.number, '', r.uuid, r.status}, '|'), r.winner, true)
    return {'repeat', earlier}
  end
end

local shadow, rate = '', tonumber(ARGV[20])
if rate > 0 and not is('M') then
  local second = math.floor(now / 1000)
  local state = redis.call('HMGET', KEYS[5], 'sec', 'n')
  local n = tonumber(state[1]) == second and tonumber(state[2]) or 0
  if n >= rate then
    if not is('r') then return {'limited', (second + 1) * 1000 - now} end
    shadow = 'r'
  end
  redis.call('HSET', KEYS[5], 'sec', second, 'n', n + 1)
  redis.call('PEXPIRE', KEYS[5], 2000)
end

local number = free_number(seen, ARGV[7], now, is('a') and ARGV[15] or nil)
if not number and not is('s') and ARGV[8] ~= '' then return no_target('N', shadow) end

local won, verdicts = first_free(ARGV[8], member, KEYS[2])
verdicts = ARGV[11] .. verdicts
if not won then return is('m') and {'more', verdicts} or no_target(verdicts, shadow) end

local ttl, expires = tonumber(ARGV[18]), now + ARGV[18]
local subjects = is('h') and not is('t') and hold(won[1], ARGV[3], expires, KEYS[2], KEYS[3]) or ''
number = number or ''
local r = {status = 'reserved', expires = expires, company = ARGV[13], key = ARGV[15], publisher = ARGV[16], campaign = ARGV[17],
  number = number, subjects = subjects, caller = ARGV[12], uuid = ARGV[3], winner = won[3]}
local text = write_reservation(r)
redis.call('SET', KEYS[7], text, 'PX', ttl + 60000)
if not is('a') then
  remember(KEYS[6], seen, r, text, now)
elseif number ~= '' then
  redis.call('HSET', KEYS[6], 'n' .. number, ARGV[3] .. '|' .. expires + 30000 .. '|' .. ARGV[15])
  keep(KEYS[6], ttl + 30000, next(seen) == nil)
end
log(table.concat({'reserved', verdicts, expires, number, subjects, '', 'reserved'}, '|'), won[3])
return {'reserved', #verdicts - #ARGV[11], number, expires, verdicts, shadow}
