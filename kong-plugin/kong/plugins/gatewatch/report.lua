-- For other plugins: hand over an event of kind `plugin`. Never blocks, never raises, may be called in any phase.
--
--   local gatewatch = require "kong.plugins.gatewatch.report"
--   gatewatch.event("quota-exhausted", { consumer = "acme", ip = "203.0.113.7", detail = { plan = "free" } })


local pcall = pcall
local sub = string.sub
local type = type


local _M = {}


-- name: what happened, such as `validation-failed`, at most 100 characters.
-- fields: optional; `consumer`, `consumer_id`, `ip`, `service`, `service_id`, `route`, `route_id`, `request_id` and
-- `status` become columns, the rest is kept as it is. Secrets are masked by name and shape.
-- Returns true, or nil and why not: no collector is configured, or the event was shed.
function _M.event(name, fields)
  if type(name) ~= "string" or name == "" then
    return nil, "the event needs a name"
  end
  if fields ~= nil and type(fields) ~= "table" then
    return nil, "fields must be a table"
  end
  local ok, taken, err = pcall(function()
    return require("kong.plugins.gatewatch.worker").report(sub(name, 1, 100), fields)
  end)
  if not ok then
    return nil, "the event could not be taken"
  end
  return taken, err
end


return _M
