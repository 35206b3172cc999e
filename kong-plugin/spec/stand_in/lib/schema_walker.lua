-- As much of Kong's schema validation as this plugin's schema uses (kong/db/schema/init.lua, 3.9): defaults, types,
-- bounds, custom validators, unknown fields.


local _M = {}


local function type_of(value)
  local kind = type(value)
  return kind == "number" and value % 1 == 0 and "integer" or kind
end


local KINDS = { string = "string", boolean = "boolean", integer = "integer", set = "table" }


local function check(definition, value)
  if type_of(value) ~= KINDS[definition.type] then
    return nil, "expected " .. (definition.type == "set" and "a set" or "a " .. definition.type)
  end
  if definition.between and (value < definition.between[1] or value > definition.between[2]) then
    return nil, "value should be between " .. definition.between[1] .. " and " .. definition.between[2]
  end
  if definition.len_max and #value > definition.len_max then
    return nil, "length must be at most " .. definition.len_max
  end
  if definition.custom_validator then
    return definition.custom_validator(value)
  end
  return true
end


-- The fields of the config record: name to definition, and their order.
function _M.config_fields(schema)
  for _, field in ipairs(schema.fields) do
    if field.config then
      local fields, order = {}, {}
      for _, entry in ipairs(field.config.fields) do
        local name, definition = next(entry)
        fields[name] = definition
        order[#order + 1] = name
      end
      return fields, order
    end
  end
end


-- Validate a configuration. Returns it with defaults, or nil and errors by field.
function _M.validate(schema, config)
  local fields = _M.config_fields(schema)
  local result, errors = {}, {}
  for name, value in pairs(config) do
    local definition = fields[name]
    local ok, err
    if not definition then
      err = "unknown field"
    else
      ok, err = check(definition, value)
    end
    if not ok then
      errors[name] = err
    end
    result[name] = value
  end
  for name, definition in pairs(fields) do
    if result[name] == nil then
      result[name] = definition.default
    end
    if result[name] == nil and definition.required then
      errors[name] = "required field missing"
    end
  end
  if next(errors) then
    return nil, errors
  end
  return result
end


return _M
