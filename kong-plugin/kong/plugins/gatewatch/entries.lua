-- A refused request as it leaves the node: a log entry in the shape of kong.log.serialize, with only the fields named
-- here. What is not named does not leave: other request headers, cookies and the values of query parameters are where
-- API keys travel.
--
-- Written as JSON text at once. An attack is when refusals are many: kong.log.serialize and an encoder would take about
-- five times as long. What recurs (entities, user agents) is kept as text.


local cjson = require("cjson.safe").new()
local masking = require "kong.plugins.gatewatch.masking"


local concat = table.concat
local encode = cjson.encode
local find = string.find
local format = string.format
local pairs = pairs
local setmetatable = setmetatable
local sub = string.sub
local tostring = tostring
local type = type


local MAX_HEADER = 300 -- characters
local MAX_KEPT = 500 -- user agents kept as text, until all are forgotten
local NEEDS_ENCODING = "[^]-~ !#-[]" -- not printable ASCII, or a quote or a backslash
local LIMIT_HEADERS = {
  ["retry-after"] = true, ["ratelimit-limit"] = true, ["ratelimit-remaining"] = true, ["ratelimit-reset"] = true,
}
-- What tells a hidden limit from another plugin, where there is no Retry-After.
local EVIDENCE_HEADERS = { ["content-length"] = true, ["content-type"] = true, ["server"] = true }


local _M = {}


local function json_string(text)
  if find(text, NEEDS_ENCODING) then
    return encode(masking.utf8(text))
  end
  return '"' .. text .. '"'
end


local function json_value(value)
  if type(value) == "table" then
    value = value[1]
  end
  return json_string(tostring(value))
end


-- A field's text from an entity, kept for as long as Kong keeps the entity.
local function kept_by_entity(form)
  local kept = setmetatable({}, { __mode = "k" })
  return function(entity)
    if type(entity) ~= "table" then
      return ""
    end
    local text = kept[entity]
    if not text then
      text = form(entity)
      kept[entity] = text
    end
    return text
  end
end


local function optional(name, value)
  return type(value) == "string" and ',"' .. name .. '":' .. json_string(value) or ""
end


local function form_entity(collection)
  return kept_by_entity(function(entity)
    return ',"' .. collection .. '":{"id":' .. json_string(tostring(entity.id)) .. optional("name", entity.name)
      .. optional("username", entity.username) .. optional("custom_id", entity.custom_id) .. "}"
  end)
end


local route_text = form_entity("route")
local service_text = form_entity("service")
local consumer_text = form_entity("consumer")


local agents, n_agents = {}, 0


local function agent_text(agent)
  local text = agents[agent]
  if not text then
    if n_agents >= MAX_KEPT then
      agents, n_agents = {}, 0
    end
    text = optional("user-agent", masking.text(sub(agent, 1, MAX_HEADER)))
    agents[agent] = text
    n_agents = n_agents + 1
  end
  return text
end


-- The parts of the text being written: one table for all, nothing yields while it is filled.
local parts, n = {}, 0


local function add(a, b, c)
  n = n + 1
  parts[n] = a
  if b then
    parts[n + 1], parts[n + 2] = b, c
    n = n + 2
  end
end


local function add_field(before, value, after)
  if type(value) == "string" then
    if find(value, NEEDS_ENCODING) then
      add(before, encode(masking.utf8(value)), after)
    else
      add(before, '"', value)
      add('"', after, "")
    end
  end
end


local function add_request_headers(request)
  local agent, forwarded = request.user_agent, request.forwarded_for
  add(',"headers":{"host":', json_string(request.host or ""), "")
  if agent then
    add(agent_text(agent))
  end
  if forwarded then
    add_field(',"x-forwarded-for":', sub(forwarded, 1, MAX_HEADER), "")
  end
  add("}}")
end


local function add_response_headers(headers)
  local is_bare = not headers["retry-after"]
  local comma = ""
  for name, value in pairs(headers) do
    if LIMIT_HEADERS[name] or (is_bare and EVIDENCE_HEADERS[name]) or find(name, "^x%-ratelimit%-") then
      add(comma, json_string(name), ":")
      add(json_value(value))
      comma = ","
    end
  end
end


-- The JSON text of the item that tells one refusal.
-- request: id (nil before Kong 3.5), method, uri, host, user_agent, forwarded_for, client_ip, started_ms, status,
--   source ("kong" or "upstream"), upstream_status, headers (of the response), and Kong's entities route, service,
--   consumer, or nil.
-- node_text: this node's id as JSON; unique_id: an id that no other item has, so that two refusals without a request
--   id are never taken for one; not needed where there is one.
function _M.encode(request, node_text, unique_id)
  local id = request.id
  n = 0
  add('{"kind":"http-log","id":', json_string(id and "request:" .. id or unique_id), ',"node":')
  add(node_text, ',"entry":{"request":{"method":"', request.method)
  add('"')
  add_field(',"id":', id, "")
  add_field(',"uri":', request.uri and masking.uri(request.uri), "")
  add_request_headers(request)
  add(',"response":{"status":', request.status, ',"headers":{')
  add_response_headers(request.headers)
  add('}},"source":"', request.source, '"')
  add_field(',"upstream_status":', request.upstream_status, "")
  add_field(',"client_ip":', request.client_ip, "")
  add(',"started_at":', format("%d", request.started_ms), route_text(request.route))
  add(service_text(request.service), consumer_text(request.consumer), "")
  if not id then
    add(',"gatewatch":{"id":', node_text, ',"n":')
    add(json_string(unique_id), "}", "")
  end
  add("}}")
  return concat(parts, "", 1, n)
end


_M.json_string = json_string


return _M
