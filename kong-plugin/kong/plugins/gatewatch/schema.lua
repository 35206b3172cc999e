local config = require "kong.plugins.gatewatch.config"
local settings = require "kong.plugins.gatewatch.settings"
local typedefs = require "kong.db.schema.typedefs"


local ipairs = ipairs
local find = string.find


local function check_url(url)
  if find(url, "^{vault://") or config.is_url(url) then
    return true
  end
  return nil, "must begin with ws:// or wss://, name a host and hold no credentials"
end


local function check_token(token)
  if find(token, "^[%w%p]+$") then
    return true
  end
  return nil, "must be printable ASCII without spaces"
end


local CHECKS = { url = check_url, token = check_token }


local function field_of(setting)
  return {
    [setting.name] = {
      description = setting.description .. " Unit: " .. setting.unit .. ".",
      type = setting.type,
      elements = setting.type == "set" and { type = "string" } or nil,
      default = setting.default,
      required = setting.default ~= nil or nil,
      between = setting.between,
      len_max = setting.len_max,
      referenceable = setting.referenceable,
      encrypted = setting.encrypted,
      custom_validator = CHECKS[setting.name],
    },
  }
end


local fields = {}
for i, setting in ipairs(settings) do
  fields[i] = field_of(setting)
end


return {
  name = "gatewatch",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = { type = "record", fields = fields } },
  },
}
