local schema = require "kong.plugins.gatewatch.schema"
local settings = require "kong.plugins.gatewatch.settings"
local walker = require "schema_walker"


local URL = "wss://collector.internal:8765/v1/stream"


describe("schema", function()
  it("is named like its folder", function()
    assert.equal("gatewatch", schema.name)
  end)

  it("takes an empty configuration: the address may come from the environment", function()
    local config = assert(walker.validate(schema, {}))

    assert.is_nil(config.url)
    assert.is_true(config.ssl_verify)
    assert.equal(10000, config.buffer_events)
  end)

  it("describes every field with its unit, and bounds every number", function()
    local fields, order = walker.config_fields(schema)

    assert.equal(#settings, #order)
    for name, field in pairs(fields) do
      assert.matches("Unit: .+%.$", field.description, nil, name)
      if field.type == "integer" then
        assert.is_table(field.between, name)
        assert.is_true(field.default >= field.between[1] and field.default <= field.between[2], name)
      end
    end
  end)

  it("lets vaults hold the address and the token, and encrypts the token", function()
    local fields = walker.config_fields(schema)

    assert.is_true(fields.url.referenceable)
    assert.is_true(fields.token.referenceable)
    assert.is_true(fields.token.encrypted)
  end)

  for label, url in pairs({
    ["plain"] = "ws://127.0.0.1:8765/v1/stream",
    ["with TLS"] = URL,
    ["without a port"] = "wss://collector.internal/v1/stream",
    ["a vault reference"] = "{vault://env/gatewatch-url}",
  }) do
    it("takes an address: " .. label, function()
      assert.is_table(walker.validate(schema, { url = url }))
    end)
  end

  for label, url in pairs({
    ["of another scheme"] = "http://collector:8765/",
    ["without a host"] = "ws://",
    ["with credentials"] = "wss://user:secret@collector:8765/",
    ["with a space"] = "ws:// collector",
  }) do
    it("refuses an address " .. label, function()
      local _, errors = walker.validate(schema, { url = url })

      assert.equal("must begin with ws:// or wss://, name a host and hold no credentials", errors.url)
    end)
  end

  it("refuses a token that would break the header", function()
    local _, errors = walker.validate(schema, { token = "a\r\nX-Evil: 1" })

    assert.equal("must be printable ASCII without spaces", errors.token)
  end)

  for name, value in pairs({ buffer_events = 99, timeout = 60001, heartbeat_s = 0, batch_events = 1.5 }) do
    it("refuses " .. name .. " out of bounds", function()
      local _, errors = walker.validate(schema, { [name] = value })

      assert.is_string(errors[name])
    end)
  end

  it("is told in full in the README", function()
    local file = assert(io.open("README.md", "r"))
    local readme = file:read("*a")
    file:close()

    for _, setting in ipairs(settings) do
      assert.is_truthy(readme:find("| `" .. setting.name .. "` |", 1, true), setting.name)
    end
  end)
end)


describe("the rockspec", function()
  it("names every module there is, and no other", function()
    local rock = {}
    local chunk = assert(loadfile("kong-plugin-gatewatch-0.1.0-1.rockspec"))
    setfenv(chunk, rock)()
    local files = {}
    local pipe = assert(io.popen("ls kong/plugins/gatewatch/*.lua"))
    for path in pipe:lines() do
      files[path:gsub("/", "."):gsub("%.lua$", "")] = path
    end
    pipe:close()

    assert.same(files, rock.build.modules)
  end)
end)
