-- What a stopping worker could not send. Where nginx has a shared dictionary named `gatewatch`, the next worker finds
-- it there; else it is counted, and the next worker reports the count as shed.
--
-- The dictionary is optional: `nginx_http_lua_shared_dict = gatewatch 16m` in kong.conf. It outlives a reload, not a
-- restart. What was in flight may be stored already: the collector knows its id and stores it once.


local match = string.match
local pairs = pairs


local LIST = "left"


local _M = {}


-- Leave everything the buffer holds. Returns how many items were left and how many only counted.
function _M.leave(buffer, node, dict)
  local left, counted = 0, 0
  buffer:drain(function(class, text)
    if dict and dict:lpush(LIST, class .. "\n" .. text) then
      left = left + 1
    else
      counted = counted + 1
      node:add("lost", { [class] = 1 })
    end
  end)
  local shed = buffer:take_shed()
  if shed then
    node:add("lost", shed)
  end
  return left, counted
end


-- Report as shed what earlier workers of this node had to count only.
function _M.take_lost(buffer, node, classes)
  local lost = node:take("lost", classes)
  for class, n in pairs(lost) do
    buffer:note_shed(class, n)
  end
end


-- Take up to `most` of the items that earlier workers of this node left. Returns true while there may be more.
function _M.take_left(buffer, dict, most)
  for _ = 1, most do
    local packed = dict and dict:rpop(LIST)
    if not packed then
      return false
    end
    local class, text = match(packed, "^([^\n]*)\n(.*)$")
    if class then
      buffer:push(class, text)
    end
  end
  return true
end


return _M
