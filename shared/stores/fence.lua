-- fence.lua: what every script asks first. Put in front of a script; it returns nothing itself.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- nil when the shard is this Redis's own, no newer config is known and the sender's clock is right; else the refusal:
-- {cold}: rebuild first; {stale}: load the config anew; {clock}: read the time anew. Nothing has been applied then.
local function fenced(head_key, run_id, company, version, sent_ms, now)
  local head = redis.call('HMGET', head_key, 'epoch', 'v:' .. company)
  if head[1] ~= run_id then return {'cold'} end
  if tonumber(head[2] or 0) > tonumber(version) then return {'stale'} end
  if math.abs(now - sent_ms) > 1000 then return {'clock'} end
  return nil
end
