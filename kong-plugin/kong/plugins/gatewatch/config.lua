-- Where the settings come from. `init_worker` has no plugin configuration and runs even where the plugin is enabled
-- nowhere (kong/runloop/plugins_iterator.lua), so there are three places, the first that names a setting wins:
--
-- 1. the plugin's configuration: from Kong 3.5 by `configure`, in Kong 3.4 with the first request that it sees;
-- 2. kong.conf, as `vault_gatewatch_<name>`, or KONG_VAULT_GATEWATCH_<NAME>: of the keys that Kong does not know it
--    keeps only those with certain prefixes, and this one fits (kong/conf_loader/constants.lua
--    DYNAMIC_KEY_NAMESPACES, 3.9). Kong itself resolves vault references there when it starts;
-- 3. the environment, as GATEWATCH_<NAME>, read when Kong loads the plugin: the nginx master still has the whole
--    environment then, its workers do not. GATEWATCH_TOKEN_FILE, or vault_gatewatch_token_file, names a file that
--    holds the token: kong.conf itself is shown by the Admin API.
--
-- A value may be a vault reference; it is resolved in a timer, again at every connection, so that it can be rotated.
-- In the plugin's configuration Kong has put a secret in its place, or nothing: before a worker's timers run no vault
-- can be asked, not even the environment (kong/pdk/vault.lua `get`). The reference itself is kept under "$refs".


local settings = require "kong.plugins.gatewatch.settings"


local find = string.find
local getenv = os.getenv
local gmatch = string.gmatch
local ipairs = ipairs
local lower = string.lower
local match = string.match
local open = io.open
local pairs = pairs
local pcall = pcall
local tonumber = tonumber
local type = type
local upper = string.upper


local CONF_PREFIX = "vault_gatewatch_"
local ENV_PREFIX = "GATEWATCH_"
local BOOLEANS = { ["true"] = true, on = true, yes = true, ["1"] = true,
                   ["false"] = false, off = false, no = false, ["0"] = false }


local _M = {}


-- True for an address the sender can use: ws or wss, a host, no credentials (they would end in logs).
function _M.is_url(url)
  local authority = match(url, "^wss?://([^/?#%s]+)[/?#]?%S*$")
  return authority ~= nil and not find(authority, "@", 1, true)
end


-- A setting's value from text. Returns nil, err when it is not allowed.
function _M.parse(setting, value)
  if setting.type == "boolean" then
    local parsed = value
    if type(value) ~= "boolean" then
      parsed = BOOLEANS[lower(value)]
    end
    if parsed == nil then
      return nil, "expected true or false"
    end
    return parsed
  elseif setting.type == "integer" then
    local number = tonumber(value)
    local low, high = setting.between[1], setting.between[2]
    if not number or number % 1 ~= 0 or number < low or number > high then
      return nil, "expected a whole number from " .. low .. " to " .. high .. " " .. setting.unit
    end
    return number
  elseif setting.type == "set" and type(value) == "string" then
    local values = {}
    for word in gmatch(value, "[^,%s]+") do
      values[#values + 1] = word
    end
    return values
  end
  return value
end


-- What the environment says: text by setting name. Called when the module is loaded.
local function read_environment(get)
  local values = { token_file = get(ENV_PREFIX .. "TOKEN_FILE") }
  for _, setting in ipairs(settings) do
    values[setting.name] = get(ENV_PREFIX .. upper(setting.name))
  end
  return values
end


local ENVIRONMENT = read_environment(getenv)


local function given_in(source, name)
  local value = source[name]
  if value == "" or type(value) == "userdata" then
    return nil
  end
  return value
end


local function given_in_plugin(plugin, name)
  local references = plugin["$refs"]
  local reference = type(references) == "table" and references[name]
  return type(reference) == "string" and reference or given_in(plugin, name)
end


-- The settings in force.
-- plugin: the plugin's configuration or nil; configuration: kong.configuration; warn: called with a sentence for
-- each value that is not allowed and therefore left out; environment: for tests.
function _M.resolve(plugin, configuration, warn, environment)
  environment = environment or ENVIRONMENT
  local resolved = {
    token_file = given_in(configuration, CONF_PREFIX .. "token_file") or given_in(environment, "token_file"),
  }
  for _, setting in ipairs(settings) do
    local name = setting.name
    local value = plugin and given_in_plugin(plugin, name)
    if value == nil then
      local text = given_in(configuration, CONF_PREFIX .. name)
      if text == nil then
        text = given_in(environment, name)
      end
      if text ~= nil then
        local err
        value, err = _M.parse(setting, text)
        if err then
          warn("setting " .. name .. ": " .. err)
        end
      end
    end
    if value == nil then
      value = setting.default
    end
    resolved[name] = value
  end
  return resolved
end


local function is_reference(value)
  return type(value) == "string" and find(value, "^{vault://") ~= nil
end


local function dereference(vault, value)
  if not is_reference(value) then
    return value
  end
  local ok, found, err = pcall(vault.get, value)
  if not ok then
    return nil, found
  end
  return found, err
end


local function read_token_file(path)
  local file, err = open(path, "r")
  if not file then
    return nil, err
  end
  local line = file:read("*l")
  file:close()
  return line and match(line, "^%s*(.-)%s*$") or nil, "empty file"
end


-- Where to connect and with which token: `{url, token}`. May ask a vault: only in a timer.
-- Returns nil, err when there is no address, or what it refers to cannot be resolved.
function _M.connection(resolved, vault)
  local url, err = dereference(vault, resolved.url)
  if not url or url == "" then
    return nil, err or "no url is set"
  end
  if not _M.is_url(url) then
    return nil, "the url must begin with ws:// or wss:// and hold no credentials"
  end
  local token
  if resolved.token then
    token, err = dereference(vault, resolved.token)
  elseif resolved.token_file then
    token, err = read_token_file(resolved.token_file)
  else
    err = nil
  end
  if not token and (resolved.token or resolved.token_file) then
    return nil, "the token cannot be read: " .. (err or "empty")
  end
  if token and not find(token, "^[%w%p]+$") then
    return nil, "the token must be printable ASCII without spaces"
  end
  return { url = url, token = token }
end


-- True when going from one to the other needs a new connection.
function _M.reconnects(before, after)
  for _, setting in ipairs(settings) do
    if setting.connects and before[setting.name] ~= after[setting.name] then
      return true
    end
  end
  return false
end


-- The configuration to go by where several plugins are configured: the one with the lowest id, so that all workers
-- of all nodes choose the same.
function _M.choose(configs)
  local chosen
  for _, config in pairs(configs or {}) do
    if type(config) == "table" then
      local id, other = config.__plugin_id or "", chosen and (chosen.__plugin_id or "")
      if not chosen or id < other then
        chosen = config
      end
    end
  end
  return chosen
end


_M.read_environment = read_environment


return _M
