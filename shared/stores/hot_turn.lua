-- hot_turn.lua: what every writing of a company's hot copy asks first. Put in front of a script; it returns nothing itself.
-- Writers take turns under the company's row lock in Postgres, and the head keeps the last turn: what arrives late, of a
-- writer that was given up, does nothing. A shard that is being rebuilt has no epoch, but the rebuild's own token.

-- nil when the writing may go on; else {cold} (the shard is not this Redis's own) or {late}.
local function refusal(head_key, run_id, rebuild, company, turn)
  local head = redis.call('HMGET', head_key, 'epoch', 'rebuild', 's:' .. company)
  if rebuild == '' and head[1] ~= run_id then return {'cold'} end
  if rebuild ~= '' and head[2] ~= rebuild then return {'cold'} end
  if tonumber(head[3] or 0) > tonumber(turn) then return {'late'} end
  redis.call('HSET', head_key, 's:' .. company, turn)
  return nil
end
