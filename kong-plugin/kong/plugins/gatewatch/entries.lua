-- A refused request as it leaves the node: what kong.log.serialize gives, cut down to the fields named here.
-- What is not named does not leave: request headers and query values are where API keys travel.


local masking = require "kong.plugins.gatewatch.masking"


local find = string.find
local pairs = pairs
local sub = string.sub
local type = type


local MAX_HEADER = 512 -- characters
local REQUEST_HEADERS = {
  "host", "user-agent", "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "forwarded", "via", "origin",
  "content-type", "content-length", "accept",
}
local RESPONSE_HEADERS = {
  "retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "content-length", "content-type",
  "server", "via", "x-kong-response-latency", "x-kong-upstream-latency", "x-kong-proxy-latency",
}


local _M = {}


local function header_value(value)
  if type(value) == "table" then
    value = value[1]
  end
  if type(value) == "string" then
    return masking.text(sub(value, 1, MAX_HEADER))
  end
  return type(value) == "number" and value or nil
end


local function pick(headers, names)
  local picked = {}
  for i = 1, #names do
    picked[names[i]] = header_value(headers[names[i]])
  end
  return picked
end


local function response_headers(headers)
  local picked = pick(headers, RESPONSE_HEADERS)
  for name, value in pairs(headers) do
    if find(name, "^x%-ratelimit%-") then
      picked[name] = header_value(value)
    end
  end
  return picked
end


local function named(entity, name)
  return type(entity) == "table" and { id = entity.id, [name] = entity[name] } or nil
end


local function consumer_of(consumer)
  if type(consumer) ~= "table" then
    return nil
  end
  return { id = consumer.id, username = consumer.username, custom_id = consumer.custom_id }
end


local function text(value)
  return type(value) == "string" and value or nil
end


-- The entry that is sent for a serialized request.
-- source: "kong" or "upstream", as the PDK says it; Kong before 3.6 does not log it.
-- judged: what `judgement.judge` found; mark: `{id, n}`, this node and a number, so that two refusals are never one.
function _M.of(entry, source, judged, mark)
  local request = entry.request or {}
  local response = entry.response or {}
  return {
    request = {
      id = text(request.id),
      method = request.method,
      uri = type(request.uri) == "string" and masking.uri(request.uri) or nil,
      size = request.size,
      headers = pick(request.headers or {}, REQUEST_HEADERS),
    },
    response = { status = response.status, size = response.size, headers = response_headers(response.headers or {}) },
    source = source,
    upstream_status = entry.upstream_status,
    latencies = entry.latencies,
    client_ip = entry.client_ip,
    started_at = entry.started_at,
    route = named(entry.route, "name"),
    service = named(entry.service, "name"),
    consumer = consumer_of(entry.consumer),
    authenticated_entity = type(entry.authenticated_entity) == "table"
      and { id = entry.authenticated_entity.id } or nil,
    workspace = text(entry.workspace),
    gatewatch = { id = mark.id, n = mark.n, judged = judged },
  }
end


return _M
