local config = require "kong.plugins.gatewatch.config"
local settings = require "kong.plugins.gatewatch.settings"


local URL = "ws://collector:8765/v1/stream"
local vault = {
  get = function(reference)
    if reference == "{vault://env/collector-token}" then
      return "from-vault"
    end
    return nil, "could not find it"
  end,
}


local function resolve(plugin, conf, environment)
  local warnings = {}
  local resolved = config.resolve(plugin, conf or {}, function(message)
    warnings[#warnings + 1] = message
  end, environment or {})
  return resolved, warnings
end


describe("config", function()
  it("takes the plugin's before kong.conf's before the environment's", function()
    local environment = { url = "ws://from-env/", source = "from-env", heartbeat_s = "7" }
    local conf = { vault_gatewatch_url = "ws://from-conf/", vault_gatewatch_source = "from-conf" }

    local resolved = resolve({ url = "ws://from-plugin/" }, conf, environment)

    assert.equal("ws://from-plugin/", resolved.url)
    assert.equal("from-conf", resolved.source)
    assert.equal(7, resolved.heartbeat_s)
    assert.equal(10000, resolved.buffer_events)
  end)

  it("goes by the reference where Kong has put a secret, or nothing yet, in its place", function()
    for _, put in ipairs({ "", "the-secret" }) do
      local resolved = resolve({
        url = URL, token = put, ["$refs"] = { token = "{vault://env/collector-token}" },
      })

      assert.equal("{vault://env/collector-token}", resolved.token)
      assert.equal("from-vault", config.connection(resolved, vault).token)
    end
  end)

  it("takes the name of the token's file from kong.conf, too", function()
    local resolved = resolve(nil, { vault_gatewatch_token_file = "/conf" }, { token_file = "/env" })

    assert.equal("/conf", resolved.token_file)
    assert.equal("/env", resolve(nil, nil, { token_file = "/env" }).token_file)
  end)

  it("works without any: no address, so nothing is sent", function()
    local resolved, warnings = resolve(nil)

    assert.is_nil(resolved.url)
    assert.same({}, warnings)
    assert.is_nil((config.connection(resolved, vault)))
  end)

  it("says what is wrong with a value, and goes by the default", function()
    local resolved, warnings = resolve(nil, nil, { buffer_events = "ten", ssl_verify = "maybe" })

    assert.equal(10000, resolved.buffer_events)
    assert.is_true(resolved.ssl_verify)
    assert.same({
      "setting ssl_verify: expected true or false",
      "setting buffer_events: expected a whole number from 100 to 1000000 events",
    }, warnings)
  end)

  it("reads true, false and lists from text", function()
    local resolved = resolve(nil, nil, { ssl_verify = "off", secret_names = "x-ident, y" })

    assert.is_false(resolved.ssl_verify)
    assert.same({ "x-ident", "y" }, resolved.secret_names)
  end)

  it("reads every setting from the environment", function()
    local asked = {}
    config.read_environment(function(name)
      asked[name] = true
    end)

    for _, setting in ipairs(settings) do
      assert.is_true(asked["GATEWATCH_" .. setting.name:upper()])
    end
    assert.is_true(asked.GATEWATCH_TOKEN_FILE)
  end)

  it("resolves a vault reference", function()
    local target = assert(config.connection({ url = URL, token = "{vault://env/collector-token}" }, vault))

    assert.same({ url = URL, token = "from-vault" }, target)
  end)

  it("does not connect without the token that it was told to use", function()
    local target, err = config.connection({ url = URL, token = "{vault://env/nothing}" }, vault)

    assert.is_nil(target)
    assert.equal("the token cannot be read: could not find it", err)
  end)

  it("reads the token from a file", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("  t0ken \nrest\n")
    file:close()

    assert.equal("t0ken", config.connection({ url = URL, token_file = path }, vault).token)
    os.remove(path)
    assert.is_nil((config.connection({ url = URL, token_file = path }, vault)))
  end)

  it("refuses a token that would break the header, and an address with credentials", function()
    assert.is_nil((config.connection({ url = URL, token = "a\nb" }, vault)))
    assert.is_nil((config.connection({ url = "ws://u:p@h/" }, vault)))
  end)

  it("connects again only for what the connection is made of", function()
    local before = resolve(nil, nil, { url = URL })

    assert.is_true(config.reconnects(before, (resolve(nil, nil, { url = URL, token = "x" }))))
    assert.is_false(config.reconnects(before, (resolve(nil, nil, { url = URL, heartbeat_s = "3" }))))
  end)

  it("chooses the same instance everywhere when there are several", function()
    local a, b = { __plugin_id = "a" }, { __plugin_id = "b" }

    assert.equal(a, config.choose({ a, b }))
    assert.equal(a, config.choose({ b, a }))
    assert.is_nil(config.choose(nil))
  end)
end)
