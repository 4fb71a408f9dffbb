-- tags.lua: tags stored for one caller, each assigned where it is newer: a text's first number is its rev, which only grows.
-- Whether the text that stands there is over does not matter: an older one never replaces it. Behind fence.lua, callers.lua.
-- KEYS 1 head 2 caller
-- ARGV 1 run_id 2.. publisher, text and until_ms in turn: the hash lives at least so long; what is past is left out
-- Returns {cold} (nothing was touched) {ok, how many were newer}
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return {'cold'} end
local now, newer = now_ms(), 0
for i = 2, #ARGV, 3 do
  local field, text, ttl_ms = 't' .. ARGV[i], ARGV[i + 1], ARGV[i + 2] - now
  if ttl_ms > 0 and tonumber(revision(redis.call('HGET', KEYS[2], field))) < tonumber(revision(text)) then
    redis.call('HSET', KEYS[2], field, text)
    keep(KEYS[2], ttl_ms)
    newer = newer + 1
  end
end
return {'ok', newer}
