local totals = require "kong.plugins.gatewatch.totals"


local ROUTE = { id = "r1", name = "orders-list" }
local SERVICE = { id = "s1", name = "orders" }


local function flushed(self, now)
  local items = {}
  self:flush(now)
  self:hand_over(math.huge, function(item)
    items[#items + 1] = item
  end)
  return items
end


local function sum(items)
  local n = 0
  for _, item in ipairs(items) do
    for _, count in pairs(item.counts) do
      n = n + count
    end
  end
  return n
end


describe("totals", function()
  it("count by consumer, route and status", function()
    local self = totals.new(10, 10, 1000)
    for _, status in ipairs({ 200, 200, 401 }) do
      self:count(status, ROUTE, SERVICE, { id = "c1", username = "acme" })
    end

    assert.same({ {
      kind = "totals", at_ms = 1000000, consumer_id = "c1", consumer = "acme", route_id = "r1", route = "orders-list",
      service_id = "s1", service = "orders", counts = { ["200"] = 2, ["401"] = 1 },
    } }, flushed(self, 1010))
  end)

  it("wait for their interval to end, and begin anew after it", function()
    local self = totals.new(10, 10, 1000)
    self:count(200)

    assert.same({}, flushed(self, 1009.9))
    assert.equal(1, #flushed(self, 1010))
    assert.same({}, flushed(self, 1020))
  end)

  it("go at once when the worker stops", function()
    local self = totals.new(10, 10, 1000)
    self:count(404)

    assert.equal(1, sum(flushed(self, nil)))
  end)

  it("leave in portions, each with its own interval, and none twice", function()
    local self = totals.new(100, 10, 1000)
    local items = {}
    local function give(item)
      items[#items + 1] = item
    end
    for _, now in ipairs({ 1010, 1020 }) do
      for i = 1, 7 do
        self:count(200, ROUTE, SERVICE, { id = "c" .. i })
      end
      self:flush(now)
    end

    assert.is_true(self:hand_over(5, give))
    assert.equal(5, #items)
    assert.is_true(self:hand_over(8, give))
    assert.is_false(self:hand_over(5, give))
    assert.is_false(self:hand_over(5, give))
    local intervals = {}
    for _, item in ipairs(items) do
      intervals[item.at_ms] = (intervals[item.at_ms] or 0) + 1
    end

    assert.equal(14, sum(items))
    assert.same({ [1000000] = 7, [1010000] = 7 }, intervals)
  end)

  it("name a consumer without a username by its custom id", function()
    local self = totals.new(10, 10, 1000)
    self:count(200, ROUTE, SERVICE, { id = "c1", custom_id = "42" })

    assert.equal("42", flushed(self, nil)[1].consumer)
  end)

  it("keep the sum true when there are more consumers than they tell apart", function()
    local self = totals.new(5, 10, 1000)
    for i = 1, 500 do
      self:count(200, ROUTE, SERVICE, { id = "c" .. i, username = "u" .. i })
    end
    for i = 1, 500 do
      self:count(200, { id = "r" .. i }, SERVICE, { id = "c1" })
    end

    local items = flushed(self, nil)
    local others
    for _, item in ipairs(items) do
      if item.consumer == totals.OTHERS and item.route_id == "r1" then
        others = item
      end
    end

    assert.equal(1000, sum(items))
    assert.is_true(#items <= 8)
    assert.is_nil(others.consumer_id)
  end)
end)
