local cjson = require "cjson.safe"
local entries = require "kong.plugins.gatewatch.entries"
local events = require "kong.plugins.gatewatch.events"


local KEY = "t0p-s3cret-key"


local function new_node()
  local marks, made = {}, 0
  return {
    id = "node-1",
    worker_id = 0,
    now_ms = function() return 1795384625482 end,
    next_id = function()
      made = made + 1
      return "e-" .. made
    end,
    is_first = function(_, what)
      local first = not marks[what]
      marks[what] = true
      return first
    end,
    forget = function(_, what) marks[what] = nil end,
  }
end


local function new_events()
  return events.new(new_node(), function() return {} end, function() end, function() end)
end


describe("events", function()
  it("tell a change with both states", function()
    local item = new_events():change({
      operation = "update",
      schema = { name = "routes", f = print },
      entity = { id = "r1", name = "new" },
      old_entity = { id = "r1", name = "old" },
    })

    assert.same({
      kind = "crud", event = "routes.updated", id = "e-1", at_ms = 1795384625482, node = "node-1",
      entity_type = "routes", entity_id = "r1", entity_name = "new", operation = "update",
      before = { id = "r1", name = "old" }, after = { id = "r1", name = "new" },
    }, item)
  end)

  it("tell what was there before a deletion", function()
    local item = new_events():change({ operation = "delete", schema = "services", entity = { id = "s", name = "n" } })

    assert.equal("services.deleted", item.event)
    assert.same({ id = "s", name = "n" }, item.before)
    assert.is_nil(item.after)
  end)

  it("mask what a plugin's own schema says is encrypted", function()
    local http_log = { fields = { { config = { fields = { { http_endpoint = { encrypted = true } } } } } } }
    local item = new_events():change({
      operation = "create", schema = { name = "plugins", subschemas = { ["http-log"] = http_log } },
      entity = { id = "p", name = "http-log", config = { http_endpoint = "http://h/path", method = "POST" } },
    })

    assert.same({ http_endpoint = "[redacted:1]", method = "POST" }, item.after.config)
  end)

  it("pass the request id of Enterprise on, by which its audit log is joined", function()
    local item = new_events():change({
      operation = "create", schema = "services", entity = { id = "s" }, request_id = "req-1",
    })

    assert.equal("req-1", item.request_id)
  end)

  for label, data in pairs({
    ["nothing"] = false,
    ["text"] = "x",
    ["no entity"] = { operation = "create", schema = "services" },
    ["an unknown operation"] = { operation = "upsert", schema = "services", entity = {} },
    ["no schema"] = { operation = "create", entity = {} },
  }) do
    it("make nothing of " .. label, function()
      assert.is_nil(new_events():change(data))
    end)
  end

  it("tell invalidations and purges", function()
    local self = new_events()
    local item = self:cache_change("mlcache:invalidations:kong_db_cache", "keyauth_credentials:" .. KEY .. ":::::ws")

    assert.equal("invalidated", item.event)
    assert.equal("kong_db_cache", item.cache)
    assert.equal("keyauth_credentials", item.entity_type)
    assert.is_nil(cjson.encode(item):find(KEY, 1, true))
    assert.equal("purged", self:cache_change("mlcache:purge:kong_core_db_cache", "").event)
    assert.is_nil(self:cache_change("mlcache:something:else", "x"))
  end)

  it("tell a target's health once per node and change", function()
    local self = new_events()
    local function heard(health)
      local item = self:health_change("u1", "10.0.0.1", 80, "host", health)
      return item and item.event
    end

    assert.equal("target_healthy", heard("healthy"))
    assert.is_nil(heard("healthy"))
    assert.equal("target_unhealthy", heard("unhealthy"))
    assert.is_nil(heard("unhealthy"))
    assert.equal("target_healthy", heard("healthy"))
    assert.is_nil(heard("mostly_healthy"))
  end)

  it("tell a configuration push with its hashes, where there are any", function()
    local item = new_events():config_push({ "ws", "a", nil, "c" })

    assert.equal("config_pushed", item.event)
    assert.equal("a", item.router_hash)
    assert.is_nil(item.plugins_hash)
    assert.equal("config_pushed", new_events():config_push(nil).event)
  end)
end)


describe("entries", function()
  local function encoded(changes)
    local request = {
      id = "abc", method = "GET", uri = "/o?apikey=" .. KEY, host = "h", user_agent = 'curl "x"',
      client_ip = "203.0.113.7", started_ms = 1795384625482.4, status = 429, source = "kong", upstream_status = "",
      headers = { ["retry-after"] = "1", ["x-ratelimit-remaining-minute"] = { "0", "0" }, ["set-cookie"] = KEY },
      route = { id = "r", name = "n", paths = { "/o" } },
      consumer = { id = "c", username = "ü", secret = KEY },
    }
    for name, value in pairs(changes or {}) do
      request[name] = value
    end
    local text = entries.encode(request, '"node-1"', "e-1")
    return assert(cjson.decode(text), text), text
  end

  it("hold what judgement and drill-down need, and no more", function()
    assert.same({
      kind = "http-log", id = "request:abc", node = "node-1",
      entry = {
        request = {
          id = "abc", method = "GET", uri = "/o?apikey=[redacted]",
          headers = { host = "h", ["user-agent"] = 'curl "x"' },
        },
        response = { status = 429, headers = { ["retry-after"] = "1", ["x-ratelimit-remaining-minute"] = "0" } },
        source = "kong", upstream_status = "", client_ip = "203.0.113.7", started_at = 1795384625482,
        route = { id = "r", name = "n" }, consumer = { id = "c", username = "ü" },
      },
    }, (encoded()))
  end)

  it("hold no secret, whatever header or parameter it came in", function()
    local _, text = encoded({ user_agent = "evil Bearer " .. KEY, uri = "/" .. "eyJhbGciOi.abcdefgh." .. KEY })

    assert.is_nil(text:find(KEY, 1, true))
  end)

  for label, text in pairs({
    ["quotes and backslashes"] = 'a"b\\c', ["control characters"] = "a\0b\nc\127", ["no UTF-8"] = "a\255b",
    ["brackets"] = "[]{}", ["nothing"] = "",
  }) do
    it("stay one JSON object with " .. label .. " in every text", function()
      local item = encoded({
        id = text, uri = text, host = text, user_agent = text, forwarded_for = text, client_ip = text,
        upstream_status = text, consumer = { id = text, username = text }, headers = { ["retry-after"] = text },
      })

      assert.equal(text:gsub("\255", "\239\191\189"), item.entry.client_ip)
    end)
  end

  it("need no entity and no header", function()
    local item = encoded({
      route = false, consumer = false, user_agent = false, host = false, headers = {}, id = false,
    })

    assert.is_nil(item.entry.route)
    assert.is_nil(item.entry.request.id)
    assert.equal("e-1", item.id)
    assert.same({ id = "node-1", n = "e-1" }, item.entry.gatewatch)
  end)
end)
