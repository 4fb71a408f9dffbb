-- set_fills.lua: the mirror of committed cap places, assigned where it is newer (the last number of the text is its rev).
-- KEYS 1 head 2 fills
-- ARGV 1 run_id 2 rebuild token 3 company 4 turn 5.. subject and mirror text in turn
-- Returns {ok} {cold} {late}
local refused = refusal(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if refused then return refused end
local function rev(text) return tonumber(string.match(text or '', '(%d+)$') or 0) end
for i = 5, #ARGV, 2 do
  if rev(redis.call('HGET', KEYS[2], ARGV[i])) < rev(ARGV[i + 1]) then redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
end
return {'ok'}
