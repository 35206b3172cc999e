-- Secrets out, before anything leaves the node.
--
-- What is masked becomes "[redacted]"; in a change the masks are numbered, "[redacted:1]", and equal secrets get
-- equal numbers, so that a secret that changed still shows as changed. A secret is found by the name it goes by,
-- by what the DAO's schema says (`encrypted`), and in any text by its shape.


local byte = string.byte
local concat = table.concat
local find = string.find
local getmetatable = getmetatable
local gsub = string.gsub
local lower = string.lower
local match = string.match
local next = next
local pairs = pairs
local setmetatable = setmetatable
local sub = string.sub
local tostring = tostring
local type = type


local REDACTED = "[redacted]"
local MAX_DEPTH = 10 -- Kong's entities nest at most six levels
local MAX_TEXT = 4096 -- characters of one field: more than a certificate


local function set_of(words)
  local set = {}
  for word in words:gmatch("%S+") do
    set[word] = true
  end
  return set
end


local NAMES = set_of [[
  apikey api_key apitoken key keys_alt key_alt secret password passwd passphrase pwd token jwt jws assertion
  authorization proxy_authorization cookie set_cookie session session_id sessionid sid jsessionid phpsessid
  credential credentials client_assertion code_verifier sig signature x_amz_signature
  x_amz_security_token x_kong_signature private cert_key
]]
local PARTS = {
  "secret", "passw", "token", "apikey", "api_key", "credential", "private_key", "session_id", "jwt",
}
local NOT_SECRETS = set_of [[
  cache_key primary_key foreign_key public_key rsa_public_key hash_key partition_key ssl_cert_key
  hide_credentials token_endpoint authorization_endpoint key_names tokens_count_strategy
  x_credential_identifier credential_identifier authenticated_entity keyauth_credentials schema
]]
local QUERY_NAMES = set_of "code state key auth"
local SCHEMES = {} -- a pattern for each, in any case, with spaces that may be encoded
for scheme in pairs(set_of "bearer basic digest negotiate hmac") do
  SCHEMES[scheme] = "(" .. gsub(scheme, "%a", function(letter)
    return "[" .. letter:upper() .. letter .. "]"
  end) .. ")([%s%%+]+[20]*)([^%s\"',;]+)"
end

-- Fields of a credential that say whose it is and how it works; all its others are masked.
local CREDENTIAL_FIELDS = set_of [[
  id created_at updated_at consumer tags ttl ws_id username name algorithm group expires_in redirect_uris
  client_type hash_secret scope
]]
local CREDENTIALS = { "credential", "secret", "token", "session", "authorization_code" }

local SAFE_CACHES = set_of [[
  services routes consumers upstreams targets plugins acls certificates snis ca_certificates vaults
  workspaces keys key_sets tags router plugins_iterator filter_chains balancer admin consumer_groups
  consumer_group_consumers consumer_group_plugins parameters clustering event_hooks
]]
local HEX = "%x%x%x%x"
local UUID = "^" .. HEX .. HEX .. "%-" .. HEX .. "%-" .. HEX .. "%-" .. HEX .. "%-" .. HEX .. HEX .. HEX .. "$"
local KEEP_ARRAYS = {}
do
  local ok, cjson = pcall(require, "cjson.safe")
  if ok then
    for _, name in pairs({ "array_mt", "empty_array_mt" }) do
      if cjson[name] then
        KEEP_ARRAYS[cjson[name]] = true
      end
    end
  end
end


local _M = { REDACTED = REDACTED }


-- True when a field of this name holds a secret; case and `-` or `_` make no difference.
function _M.is_secret_name(name, extra)
  local plain = gsub(lower(name), "%-", "_")
  if NOT_SECRETS[plain] then
    return false
  end
  if NAMES[plain] or (extra and extra[plain]) or find(plain, "_key$") or find(plain, "_pwd$") then
    return true
  end
  for i = 1, #PARTS do
    if find(plain, PARTS[i], 1, true) then
      return true
    end
  end
  return false
end


-- A set of further secret names, as `is_secret_name` compares them.
function _M.name_set(names)
  local set = {}
  for _, name in pairs(names or {}) do
    if type(name) == "string" then
      set[gsub(lower(name), "%-", "_")] = true
    end
  end
  return next(set) and set or nil
end


local function plain_mask()
  return REDACTED
end


-- Masks that are numbered by the secret they hide.
local function numbered_masks()
  local numbers, n = {}, 0
  return function(secret)
    local number = numbers[secret]
    if not number then
      n = n + 1
      number = n
      numbers[secret] = n
    end
    return "[redacted:" .. number .. "]"
  end
end


local function mask_pem(text, mask)
  local from = find(text, "%-%-%-%-%-BEGIN [%u ]*PRIVATE KEY%-%-%-%-%-")
  if not from then
    return text
  end
  local _, to = find(text, "%-%-%-%-%-END [%u ]*PRIVATE KEY%-%-%-%-%-", from)
  local secret = sub(text, from, to)
  return sub(text, 1, from - 1) .. mask(secret) .. (to and mask_pem(sub(text, to + 1), mask) or "")
end


local function mask_schemes(text, mask)
  local plain = lower(text)
  for scheme, pattern in pairs(SCHEMES) do
    if find(plain, scheme, 1, true) then
      text = gsub(text, pattern, function(word, space, secret)
        if #secret >= 4 and not find(secret, "^realm") and sub(secret, 1, 9) ~= "[redacted" then
          return word .. space .. mask(secret)
        end
      end)
    end
  end
  return text
end


-- Text without what has the shape of a secret: a URL, a message.
local function mask_text(text, extra, mask)
  if #text > MAX_TEXT then
    text = sub(text, 1, MAX_TEXT) .. "..."
  end
  if find(text, "PRIVATE KEY", 1, true) then
    text = mask_pem(text, mask)
  end
  if find(text, "eyJ", 1, true) then
    text = gsub(text, "eyJ[%w_%-]+%.[%w_%-]+%.?[%w_%-]*", mask)
  end
  if find(text, "[ +]") or find(text, "%20", 1, true) then
    text = mask_schemes(text, mask)
  end
  if find(text, "@", 1, true) then
    text = gsub(text, "(://[^%s/?#:@\"']*:)([^%s/?#@\"']+)@", function(before, secret)
      return before .. mask(secret) .. "@"
    end)
  end
  if find(text, "=", 1, true) then
    text = gsub(text, "([%w_%.%-%%]+)=([^%s&;#\"'<>,})]+)", function(name, value)
      if sub(value, 1, 9) ~= "[redacted" and (QUERY_NAMES[lower(name)] or _M.is_secret_name(name, extra)) then
        return name .. "=" .. mask(value)
      end
    end)
  end
  if find(text, ":", 1, true) then
    text = gsub(text, "(%w+_?credentials):[^%s\"',}]+", "%1:" .. REDACTED)
  end
  return text
end


function _M.text(text, extra)
  return mask_text(text, extra, plain_mask)
end


-- The mask of a secret; lists and records keep their outline, so that one sees what there was.
local function masked(value, mask, depth)
  local kind = type(value)
  if kind == "boolean" or value == "" then
    return value
  end
  if kind ~= "table" then
    return mask(tostring(value))
  end
  local copy = {}
  if depth < MAX_DEPTH then
    for key, item in pairs(value) do
      copy[key] = masked(item, mask, depth + 1)
    end
  end
  return copy
end


-- The definition of a field in a DAO's schema, nil where there is none.
local function definition_of(fields, name)
  if type(fields) ~= "table" then
    return nil
  end
  if type(fields[name]) == "table" then
    return fields[name]
  end
  for i = 1, #fields do
    local definition = type(fields[i]) == "table" and fields[i][name]
    if definition then
      return definition
    end
  end
end


local copy_value


local function copy_table(value, fields, extra, mask, depth)
  local copy = {}
  if depth >= MAX_DEPTH then
    return copy
  end
  local metatable = getmetatable(value)
  if metatable and KEEP_ARRAYS[metatable] then
    setmetatable(copy, metatable)
  end
  for key, item in pairs(value) do
    if type(key) == "string" then
      local definition = definition_of(fields, key)
      if key == "cache_key" and type(item) == "string" then
        copy[key] = _M.cache_key(item)
      elseif (definition and definition.encrypted) or _M.is_secret_name(key, extra) then
        copy[key] = masked(item, mask, depth + 1)
      else
        copy[key] = copy_value(item, definition and definition.fields, extra, mask, depth + 1)
      end
    else
      copy[key] = copy_value(item, fields, extra, mask, depth + 1)
    end
  end
  return copy
end


function copy_value(value, fields, extra, mask, depth)
  local kind = type(value)
  if kind == "table" then
    return copy_table(value, fields, extra, mask, depth)
  elseif kind == "string" then
    return mask_text(value, extra, mask)
  elseif kind == "number" or kind == "boolean" then
    return value
  end
  return nil -- functions, null and other userdata are not data
end


-- A copy of any value without secrets, functions and nulls.
function _M.value(value, extra)
  return copy_value(value, nil, extra, plain_mask, 0)
end


-- True for DAOs whose entities are credentials: keyauth_credentials, jwt_secrets, oauth2_tokens, sessions.
local function is_credential(collection)
  for i = 1, #CREDENTIALS do
    if find(collection, CREDENTIALS[i], 1, true) then
      return true
    end
  end
  return false
end


local function copy_entity(entity, collection, fields, extra, mask)
  if type(entity) ~= "table" then
    return nil
  end
  local copy = copy_value(entity, fields, extra, mask, 0)
  if is_credential(collection) then
    for key, item in pairs(entity) do
      if not CREDENTIAL_FIELDS[key] and type(key) == "string" then
        copy[key] = masked(item, mask, 1)
      end
    end
  end
  return copy
end


-- Copies of two states of one entity without secrets, their masks numbered alike.
-- collection: Kong's name of the DAO; fields: of its schema, or nil.
function _M.change(before, after, collection, fields, extra)
  local mask = numbered_masks()
  return copy_entity(before, collection, fields, extra, mask), copy_entity(after, collection, fields, extra, mask)
end


-- A cache key that can be shown: `keyauth_credentials:[redacted]:::::<workspace>`, and the name it begins with.
-- A key is name:k1:k2:k3:k4:k5:ws_id (kong/db/dao/init.lua `cache_key`, 3.9), and for credentials k1 is the
-- credential itself. Fields may hold colons, so the name is read from the left, the workspace from the right.
-- No hash: credentials that people chose could be guessed from one.
function _M.cache_key(key)
  local name, rest = match(key, "^([^:]*):(.*)$")
  if not name then
    return mask_text(key, nil, plain_mask), key
  end
  if SAFE_CACHES[name] then
    return mask_text(key, nil, plain_mask), name
  end
  local fields, workspace = match(rest, "^(.*):([^:]*)$")
  if not workspace or not find(workspace, UUID) then
    return name .. ":" .. REDACTED, name
  end
  local is_plain = not is_credential(name) and not find(name, "auth") and not find(name, "key")
  if is_plain and find((gsub(fields, ":+$", "")), UUID) then
    return key, name
  end
  return name .. ":" .. REDACTED .. ":::::" .. workspace, name
end


-- The id in a cache key, where its first field is one: `services:<id>:::::<ws>`.
function _M.id_in_cache_key(key)
  local name, id = match(key, "^([^:]*):([^:]*):")
  return name and SAFE_CACHES[name] and find(id, UUID) and id or nil
end


-- How many bytes the UTF-8 sequence at `i` has; nil when it is none (RFC 3629: no surrogates, no overlong forms).
local function sequence_bytes(text, i)
  local a, b, c, d = byte(text, i, i + 3)
  local function tail(x)
    return x and x >= 0x80 and x <= 0xBF
  end
  if a < 0x80 then
    return 1
  elseif a >= 0xC2 and a <= 0xDF then
    return tail(b) and 2 or nil
  elseif a >= 0xE0 and a <= 0xEF then
    local low, high = a == 0xE0 and 0xA0 or 0x80, a == 0xED and 0x9F or 0xBF
    return b and b >= low and b <= high and tail(c) and 3 or nil
  elseif a >= 0xF0 and a <= 0xF4 then
    local low, high = a == 0xF0 and 0x90 or 0x80, a == 0xF4 and 0x8F or 0xBF
    return b and b >= low and b <= high and tail(c) and tail(d) and 4 or nil
  end
end


-- The same text as valid UTF-8: what is none becomes U+FFFD. A frame that is no UTF-8 would be refused whole.
function _M.utf8(text)
  if not find(text, "[\128-\255]") then
    return text
  end
  local parts, n, from, i = {}, 0, 1, 1
  while i <= #text do
    local bytes = sequence_bytes(text, i)
    if bytes then
      i = i + bytes
    else
      n = n + 1
      parts[n] = sub(text, from, i - 1) .. "\239\191\189"
      i = i + 1
      from = i
    end
  end
  if n == 0 then
    return text
  end
  return concat(parts) .. sub(text, from)
end


return _M
