local buffers = require "kong.plugins.gatewatch.buffer"
local cjson = require "cjson.safe"
local refusals = require "kong.plugins.gatewatch.refusals"


local made, texts, warnings, is_stopped, buffer


local function new_refusals()
  made, texts, warnings, is_stopped, buffer = 0, {}, {}, false, buffers.new(100, 1000000)
  local node = { id = "node-1" }
  function node.next_id()
    made = made + 1
    return "e-" .. made
  end
  return refusals.new({
    buffer = buffer,
    node = node,
    give_text = function(_, text) texts[#texts + 1] = text end,
    is_stopped = function() return is_stopped end,
    warn = function(message) warnings[#warnings + 1] = message end,
  })
end


-- One request as nginx and Kong would show it.
local function request(id, headers)
  headers = headers or { ["retry-after"] = "7", ["ratelimit-remaining"] = "0" }
  _G.ngx = {
    var = { request_uri = "/o/" .. id, remote_addr = "203.0.113.7", http_host = "h", upstream_status = "" },
    req = { get_method = function() return "GET" end },
    resp = { get_headers = function() return headers end },
    header = headers,
  }
  _G.kong = { request = { get_start_time = function() return 1795384625482 end } }
  return { request_id = id }
end


local function uris()
  local found = {}
  for i, text in ipairs(texts) do
    found[i] = assert(cjson.decode(text)).entry.request.uri
  end
  return found
end


describe("refusals", function()
  local kept = { ngx = _G.ngx, kong = _G.kong }

  after_each(function()
    _G.ngx, _G.kong = kept.ngx, kept.kong
  end)

  it("are each written as they were, a few at a time and what is left when asked", function()
    local self = new_refusals()
    local expected = {}
    for i = 1, 40 do
      assert.is_true(self:take(request("r" .. i), 429, "7"))
      expected[i] = "/o/r" .. i
    end

    assert.is_true(#texts >= 32 and #texts < 40)
    self:write()
    self:write()

    assert.same(expected, uris())
  end)

  it("are none where no limit refused", function()
    local self = new_refusals()

    assert.is_false(self:take(request("r", { ["retry-after"] = "7", ["ratelimit-remaining"] = "3" }), 503, "7"))
    assert.is_false(self:take(request("r", {}), 403, nil))
    self:write()

    assert.same({}, texts)
  end)

  it("are told apart where Kong gives requests no id", function()
    local self = new_refusals()
    for _ = 1, 2 do
      local ctx = request("r")
      ctx.request_id = nil
      self:take(ctx, 429, "7")
    end
    self:write()

    assert.not_equal(cjson.decode(texts[1]).id, cjson.decode(texts[2]).id)
  end)

  it("do not wait where the worker has stopped sending", function()
    local self = new_refusals()
    is_stopped = true

    self:take(request("r"), 429, "7")

    assert.equal(1, #texts)
  end)

  it("that cannot be written are counted and told, and the others written", function()
    local self = new_refusals()
    self:take(request("r1"), 429, "7")
    self:take(request("r2"), 429, "7")
    self:take(request("r3"), 429, "7")
    self.slots[2].started_ms = "no number"

    self:write()

    assert.same({ "/o/r1", "/o/r3" }, uris())
    assert.same({ ["rate-limiting"] = 1 }, buffer:take_shed())
    assert.equal(1, #warnings)
  end)

  it("of a flood are counted and not written", function()
    local self = new_refusals()
    for i = 1, 100 do
      buffer:push("rate-limiting", "old " .. i)
    end
    for i = 1, 160 do
      assert.is_true(self:take(request("r" .. i), 429, "7"))
    end
    self:write()

    assert.equal(10, #texts)
    assert.same({ ["rate-limiting"] = 150 }, buffer:take_shed())
  end)
end)
