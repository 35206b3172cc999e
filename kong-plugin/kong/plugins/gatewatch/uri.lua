-- A request's URI as it leaves the node: the path, and the names of the query's parameters without their values.
--
-- Runs for every refusal: plain searches and loops over bytes, which LuaJIT compiles, and patterns, which it does not,
-- only where something was found.


local masking = require "kong.plugins.gatewatch.masking"


local byte = string.byte
local concat = table.concat
local find = string.find
local match = string.match
local sub = string.sub


local MAX_URI = 2048 -- characters
local REDACTED = masking.REDACTED
local MAX_NAMES = 500 -- masked parameters kept as text, until all are forgotten
local parameters, n_parameters = {}, 0


local _M = {}


local function form_parameter(name)
  if #name > 60 or find(name, "[^%w_%.%-%[%]]") then
    return REDACTED
  end
  if n_parameters >= MAX_NAMES then
    parameters, n_parameters = {}, 0
  end
  local text = name .. "=" .. REDACTED
  parameters[name] = text
  n_parameters = n_parameters + 1
  return text
end


-- One parameter, text from `from` to `to`, without its value; what has no name is a value.
local function mask_parameter(text, from, to)
  if from > to then
    return ""
  end
  local equals = find(text, "=", from, true)
  if not equals or equals > to then
    return REDACTED
  elseif equals == from then
    local signs, rest = match(sub(text, from, to), "^(=+)(.*)$")
    return signs .. (rest == "" and "" or REDACTED)
  end
  local name = sub(text, from, equals - 1)
  return parameters[name] or form_parameter(name)
end


-- The query, which begins at `from`.
local function mask_query(text, from)
  local ampersand = find(text, "&", from, true)
  if not ampersand then
    return mask_parameter(text, from, #text)
  end
  local parts, n = {}, 0
  while ampersand do
    n = n + 1
    parts[n] = mask_parameter(text, from, ampersand - 1)
    from = ampersand + 1
    ampersand = find(text, "&", from, true)
  end
  parts[n + 1] = mask_parameter(text, from, #text)
  return concat(parts, "&")
end


-- True when a path can hold nothing that has the shape of a secret: see masking.lua, `mask_text`.
local function is_harmless(path)
  for i = 1, #path do
    local c = byte(path, i)
    if c == 61 or c == 64 or c == 58 or c == 43 or c == 32 or c == 37 then -- = @ : + space %
      return false
    end
  end
  return not find(path, "eyJ", 1, true)
end


-- A URI whose query keeps its names and loses its values.
function _M.mask(uri)
  if #uri > MAX_URI then
    uri = sub(uri, 1, MAX_URI)
  end
  local mark = find(uri, "?", 1, true)
  local path = mark and sub(uri, 1, mark - 1) or uri
  if not is_harmless(path) then
    path = masking.text(path)
  end
  if not mark or mark == #uri then
    return path
  end
  return path .. "?" .. mask_query(uri, mark + 1)
end


return _M
