-- A refused request as it leaves the node: a log entry in the shape of kong.log.serialize, with only the fields named
-- here. What is not named does not leave: other request headers, cookies and the values of query parameters are where
-- API keys travel.
--
-- Written as JSON text at once. An attack is when refusals are many: kong.log.serialize and an encoder would take about
-- five times as long. What recurs (entities, user agents) is kept as text.


local cjson = require("cjson.safe").new()
local masking = require "kong.plugins.gatewatch.masking"
local uris = require "kong.plugins.gatewatch.uri"


local byte = string.byte
local concat = table.concat
local encode = cjson.encode
local find = string.find
local floor = math.floor
local pairs = pairs
local setmetatable = setmetatable
local sub = string.sub
local tostring = tostring
local type = type


local MAX_HEADER = 300 -- characters
local MAX_KEPT = 500 -- texts of each sort that are kept, until all of the sort are forgotten
local LIMIT_HEADERS = {
  ["retry-after"] = true, ["ratelimit-limit"] = true, ["ratelimit-remaining"] = true, ["ratelimit-reset"] = true,
}
-- What tells a hidden limit from another plugin, where there is no Retry-After.
local EVIDENCE_HEADERS = { ["content-length"] = true, ["content-type"] = true, ["server"] = true }


local _M = {}


-- True for printable ASCII without quote and backslash, which is its own JSON. A loop that LuaJIT compiles: a search
-- for a set of characters takes seven times as long.
local function is_plain_text(text)
  for i = 1, #text do
    local c = byte(text, i)
    if c < 32 or c > 126 or c == 34 or c == 92 then
      return false
    end
  end
  return true
end


local function json_string(text)
  if is_plain_text(text) then
    return '"' .. text .. '"'
  end
  return encode(masking.utf8(text))
end


-- Forms a text once for each of the values that recur.
local function kept(form)
  local texts, n = {}, 0
  return function(value)
    local text = texts[value]
    if not text then
      if n >= MAX_KEPT then
        texts, n = {}, 0
      end
      text = form(value)
      texts[value] = text
      n = n + 1
    end
    return text
  end
end


-- A field's text from an entity, kept for as long as Kong keeps the entity.
local function kept_by_entity(form)
  local texts = setmetatable({}, { __mode = "k" })
  return function(entity)
    if type(entity) ~= "table" then
      return ""
    end
    local text = texts[entity]
    if not text then
      text = form(entity)
      texts[entity] = text
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
local host_text = kept(json_string)
local agent_text = kept(function(agent)
  return optional("user-agent", masking.text(sub(agent, 1, MAX_HEADER)))
end)
-- What of an answer's headers leaves the node: LIMIT or EVIDENCE; kind 0 stays.
local LIMIT, EVIDENCE = 1, 2
local header_kind = kept(function(name)
  if LIMIT_HEADERS[name] or find(name, "^x%-ratelimit%-") then
    return LIMIT
  end
  return EVIDENCE_HEADERS[name] and EVIDENCE or 0
end)
local header_name = kept(json_string)


-- The parts of the text being written: one table for all, nothing yields while it is filled.
local parts, n = {}, 0


local function add(a, b, c)
  parts[n + 1], parts[n + 2], parts[n + 3] = a, b, c
  n = n + 3
end


-- A string with what comes before it. Plain text is put between quotes as it is: a string less to make.
local function add_string(before, text)
  if is_plain_text(text) then
    add(before, '"', text)
    add('"', "", "")
  else
    add(before, encode(masking.utf8(text)), "")
  end
end


local function add_field(before, value)
  if type(value) == "string" then
    add_string(before, value)
  end
end


local function add_request_headers(request)
  local agent, forwarded = request.user_agent, request.forwarded_for
  add(',"headers":{"host":', host_text(request.host or ""), agent and agent_text(agent) or "")
  add_field(',"x-forwarded-for":', forwarded and sub(forwarded, 1, MAX_HEADER))
  add("}}", "", "")
end


local function add_response_headers(headers)
  local most = headers["retry-after"] and LIMIT or EVIDENCE
  local comma = ""
  for name, value in pairs(headers) do
    local kind = header_kind(name)
    if kind > 0 and kind <= most then
      if type(value) == "table" then
        value = value[1]
      end
      add(comma, header_name(name), "")
      add_string(":", tostring(value))
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
  if id and is_plain_text(id) then
    add('{"kind":"http-log","id":"request:', id, '"')
  else
    add('{"kind":"http-log","id":', json_string(id and "request:" .. id or unique_id), "")
  end
  add(',"node":', node_text, ',"entry":{"request":{"method":"')
  add(request.method, '"', "")
  add_field(',"id":', id)
  add_field(',"uri":', request.uri and uris.mask(request.uri))
  add_request_headers(request)
  add(',"response":{"status":', request.status, ',"headers":{')
  add_response_headers(request.headers)
  add('}},"source":"', request.source, '"')
  add_field(',"upstream_status":', request.upstream_status)
  add_field(',"client_ip":', request.client_ip)
  add(',"started_at":', floor(request.started_ms), route_text(request.route))
  add(service_text(request.service), consumer_text(request.consumer), "")
  if not id then
    add(',"gatewatch":{"id":', node_text, ',"n":')
    add(json_string(unique_id), "}", "")
  end
  add("}}", "", "")
  return concat(parts, "", 1, n)
end


_M.json_string = json_string


return _M
