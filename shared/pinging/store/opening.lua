-- opening.lua: what reserve.lua and admit.lua have in common, up to the candidates. Behind fence.lua, places.lua, lists.lua,
-- callers.lua, shields.lua, finishes.lua. Both have the same KEYS and ARGV; what differs stands in their own headers.
-- KEYS 1 head 2 fills 3 due 4 events 5 key state 6 finishes 7 grants 8 caller (anonymous: the campaign's leases) 9 reservation
--      10 list bucket
-- ARGV of this ping: 1 run_id 2 now_ms 3 uuid
--      4 flags: a anonymous, m more candidates follow, p its publisher is paused: only logged, b blocked if its key claims too
--         little, L the limits have been counted, A its buyers have been asked, P its winner will be posted to
--      5 stored tags evaluated `rev:rev` 6 list field ('' = on no list) 7 numbers, best first, `,` between
--      8 candidates, best first (candidates.lua) 9 event 10 trace 11 and 13 see the script 12 caller
--      of all pings of its key and publisher: 14 company 15 version 16 key 17 publisher 18 campaign 19 ttl_ms
--      20 flags: h hold, c campaign scope, t test, s has a SIP domain; only counted: r rate, q claim rate, o outbound limit
--      21 rate limit a second (0 none) 22 ping lists 23 soft and 24 hard stream length
--      25 least claimed percent ('' none) 26 of so many finished 27 most grants ('' no limit) 28 in so many ms
local now, flags = now_ms(), ARGV[4] .. ARGV[20]
local waiting, seen, member, shadow = 0, {}, {}, ''
local function is(flag) return string.find(flags, flag, 1, true) ~= nil end

local function log(result, winner, untraced)
  local fields = {'e', ARGV[9], 'r', result}
  if winner then fields[5], fields[6] = 'w', winner end
  if not untraced and waiting < tonumber(ARGV[23]) then fields[#fields + 1], fields[#fields + 2] = 't', ARGV[10] end
  redis.call('XADD', KEYS[4], '*', unpack(fields))
end

-- An equal ping that is being asked about: `uuid|until_ms|why nobody took it, '' while they are asked`.
local asking_field = 'a' .. (is('c') and 'm' .. ARGV[18] or ARGV[16])

local function no_target(verdicts)
  log('no-target|' .. verdicts .. '|||||')
  if is('A') and not is('a') then
    redis.call('HSET', KEYS[8], asking_field, ARGV[3] .. '|' .. now + 1000 .. '|' .. ARGV[13])
    keep(KEYS[8], 1000, next(seen) == nil)
  end
  return {'no-target', verdicts, shadow}
end

-- The same caller again, whose reservation lives: told again, or kept from another publisher.
local function again()
  local earlier = not is('a') and earlier_of(seen, ARGV[16], is('c') and ARGV[18], now)
  if not earlier then return nil end
  local r = read_reservation(earlier)
  local until_ms = string.match(live(seen[asking_field], now) or '', '^' .. string.gsub(r.uuid, '-', '%%-') .. '|(%d+)|$')
  if until_ms and r.uuid ~= ARGV[3] then return {'asking', tonumber(until_ms), r.uuid} end
  if r.publisher ~= ARGV[17] then
    log('duplicate|||||' .. r.uuid .. '|rejected', nil, true)
    return {'duplicate', r.uuid}
  end
  log(table.concat({'repeat', '', r.expires, r.number, '', r.uuid, r.status}, '|'), r.winner, true)
  return {'repeat', earlier}
end

local function too_fast()
  local rate = tonumber(ARGV[21])
  if rate == 0 then return nil end
  local second = math.floor(now / 1000)
  local state = redis.call('HMGET', KEYS[5], 'sec', 'n')
  local n = tonumber(state[1]) == second and tonumber(state[2]) or 0
  if n >= rate and not is('r') then return {'limited', (second + 1) * 1000 - now} end
  if n >= rate then shadow = shadow .. 'r' end
  redis.call('HSET', KEYS[5], 'sec', second, 'n', n + 1)
  redis.call('PEXPIRE', KEYS[5], 2000)
end

local function claims_too_little()
  if ARGV[25] == '' or not is('b') then return nil end
  local claimed, expired = finishes_of(KEYS[6], now)
  if claimed + expired < tonumber(ARGV[26]) or claimed * 100 >= ARGV[25] * (claimed + expired) then return nil end
  if not is('q') then return no_target('R') end
  shadow = shadow .. 'q'
end

-- The answer to a ping that comes to no candidate; else nil, and `seen`, `member` and `shadow` are set.
local function opening()
  local refusal = fenced(KEYS[1], ARGV[1], ARGV[14], ARGV[15], ARGV[2], now)
  if refusal then return refusal end
  waiting = redis.call('XLEN', KEYS[4])
  if waiting >= tonumber(ARGV[24]) then return {'full'} end
  release_due(KEYS[3], KEYS[2], now)
  seen = read_hash(KEYS[8])
  local t0, tp = live(seen.t0, now), live(seen['t' .. ARGV[17]], now)
  if revision(t0) .. ':' .. revision(tp) ~= ARGV[5] then return {'tags', t0 or '', tp or ''} end
  if is('p') then return no_target('') end
  member = members_of(KEYS[1], KEYS[10], ARGV[6])
  local refused = judged(ARGV[22], member)
  if refused then return no_target(string.upper(refused)) end
  return again()
end

local function limits() return not is('L') and (too_fast() or claims_too_little()) or nil end
