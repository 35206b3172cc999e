-- Requests counted by consumer, route and status, sent every few seconds: without them a refusal ratio is a guess.
--
-- At most `max_keys` pairs of consumer and route are told apart at a time; what comes after them counts for its route
-- under the consumer "(other consumers)", so the sum stays true. Two table look-ups per request, no strings built.


local floor = math.floor
local pairs = pairs
local setmetatable = setmetatable
local tostring = tostring


local OTHERS = "(other consumers)"
local NONE = ""


local _M = { OTHERS = OTHERS }
local mt = { __index = _M }


function _M.new(max_keys, interval_s, now)
  return setmetatable({
    max_keys = max_keys,
    interval_s = interval_s,
    slot = floor(now / interval_s),
    keys = 0,
    routes = {},
  }, mt)
end


local function open_cell(self, cells, key, route, service, consumer)
  if self.keys >= self.max_keys and key ~= OTHERS then
    local cell = cells[OTHERS]
    return cell or open_cell(self, cells, OTHERS, route, service, { username = OTHERS })
  end
  self.keys = self.keys + 1
  local cell = { route = route, service = service, consumer = consumer, counts = {} }
  cells[key] = cell
  return cell
end


-- Count one request. route, service and consumer are Kong's entities, or nil.
function _M:count(status, route, service, consumer)
  local route_id = route and route.id or NONE
  local cells = self.routes[route_id]
  if not cells then
    if self.keys >= self.max_keys and route_id ~= NONE then
      return self:count(status, nil, nil, { id = OTHERS, username = OTHERS })
    end
    cells = {}
    self.routes[route_id] = cells
  end
  local key = consumer and consumer.id or NONE
  local cell = cells[key] or open_cell(self, cells, key, route, service, consumer)
  local counts = cell.counts
  counts[status] = (counts[status] or 0) + 1
end


local function item_of(cell, at_ms)
  local counts = {}
  for status, n in pairs(cell.counts) do
    counts[tostring(status)] = n
  end
  local route, service, consumer = cell.route, cell.service, cell.consumer
  return {
    kind = "totals",
    at_ms = at_ms,
    consumer_id = consumer and consumer.id ~= OTHERS and consumer.id or nil,
    consumer = consumer and (consumer.username or consumer.custom_id) or nil,
    service_id = service and service.id,
    service = service and service.name,
    route_id = route and route.id,
    route = route and route.name,
    counts = counts,
  }
end


-- Hand the counts of a past interval to give(item); `at_ms` of an item is when its interval began.
-- Does nothing while the interval lasts, unless `now_s` is nil: then everything goes.
function _M:flush(now_s, give)
  local slot = now_s and floor(now_s / self.interval_s)
  if slot == self.slot then
    return
  end
  local routes, at_ms = self.routes, self.slot * self.interval_s * 1000
  self.routes, self.keys = {}, 0
  self.slot = slot or self.slot
  for _, cells in pairs(routes) do
    for _, cell in pairs(cells) do
      give(item_of(cell, at_ms))
    end
  end
end


return _M
