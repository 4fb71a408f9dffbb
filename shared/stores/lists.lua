-- lists.lua: what caller lists say of one caller. Put in front of a script; it returns nothing itself.
-- A bucket's field holds the generations a caller stands in; the head names the list of each live generation.
-- lists text: `S1,2 A3`: S refuses members of any, A takes only members of one of them.

-- field '' = no list matters, or an anonymous caller: on no list.
local function members_of(head_key, bucket, field)
  local member = {}
  if field ~= '' then
    for generation in string.gmatch(redis.call('HGET', bucket, field) or '', '%d+') do
      member[redis.call('HGET', head_key, 'g:' .. generation) or ''] = true
    end
  end
  return member
end

-- 's' suppressed (wins), 'a' on none of the accepted lists, nil = welcome.
local function judged(lists, member)
  local verdict
  for kind, ids in string.gmatch(lists, '([SA])([%d,]+)') do
    local on = false
    for id in string.gmatch(ids, '%d+') do on = on or member[id] or false end
    if kind == 'S' and on then return 's' end
    if kind == 'A' and not on then verdict = 'a' end
  end
  return verdict
end
