-- set_fills.lua: the mirror of committed cap places of one company, in its writer's turn. Behind hot_turn.lua, fills.lua.
-- KEYS 1 head 2 fills
-- ARGV 1 run_id 2 rebuild token 3 company 4 turn 5.. subject and mirror text in turn
-- Returns {ok} {cold} {late}
local refused = refusal(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if refused then return refused end
assign_newer(KEYS[2], 5)
return {'ok'}
