-- Requests counted by consumer, route and status, sent every few seconds: without them a refusal ratio is a guess.
--
-- At most `max_keys` pairs of consumer and route are told apart at a time; what comes after them counts for its route
-- under the consumer "(other consumers)", so the sum stays true. Two table look-ups per request, no strings built.
--
-- What an interval counted is handed over in portions: two thousand pairs at once would hold the worker for some
-- milliseconds.


local floor = math.floor
local min = math.min
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
    leaving = {}, -- cells of past intervals, the last one leaves first
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


local function item_of(cell)
  local counts = {}
  for status, n in pairs(cell.counts) do
    counts[tostring(status)] = n
  end
  local route, service, consumer = cell.route, cell.service, cell.consumer
  return {
    kind = "totals",
    at_ms = cell.at_ms,
    consumer_id = consumer and consumer.id ~= OTHERS and consumer.id or nil,
    consumer = consumer and (consumer.username or consumer.custom_id) or nil,
    service_id = service and service.id,
    service = service and service.name,
    route_id = route and route.id,
    route = route and route.name,
    counts = counts,
  }
end


-- End the interval if its time is over, or if `now_s` is nil: what it counted is to leave now.
function _M:flush(now_s)
  local slot = now_s and floor(now_s / self.interval_s)
  if slot == self.slot then
    return
  end
  local routes, leaving, at_ms = self.routes, self.leaving, self.slot * self.interval_s * 1000
  self.routes, self.keys = {}, 0
  self.slot = slot or self.slot
  for _, cells in pairs(routes) do
    for _, cell in pairs(cells) do
      cell.at_ms = at_ms -- when its interval began
      leaving[#leaving + 1] = cell
    end
  end
end


-- Hand up to `most` of the items that are to leave to give(item). Returns true while there are more.
function _M:hand_over(most, give)
  local leaving = self.leaving
  for _ = 1, min(most, #leaving) do
    local cell = leaving[#leaving]
    leaving[#leaving] = nil
    give(item_of(cell))
  end
  return #leaving > 0
end


return _M
