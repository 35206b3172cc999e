local buffers = require "kong.plugins.gatewatch.buffer"
local cjson = require "cjson.safe"
local ffi = require "ffi"


local MANY = 1000
local BIG = 1000000


local function filled(n, class)
  local buffer = buffers.new(100, BIG)
  for i = 1, n do
    buffer:push(class or "crud", tostring(i))
  end
  return buffer
end


-- The text of the next frame and how many items it holds.
local function next_frame(buffer, ...)
  local first, n, size = buffer:next_batch(...)
  if not first then
    return nil
  end
  local memory = ffi.new("uint8_t[?]", size)
  local length = buffer:write_batch(first, n, memory + 0)
  assert.is_true(length <= size, length .. " bytes in " .. size)
  return ffi.string(memory, length), n
end


local function events_of(frame)
  return cjson.decode(frame).events
end


describe("buffer", function()
  it("numbers items when they are first sent, without holes", function()
    local buffer = filled(5)

    local first = cjson.decode((next_frame(buffer, MANY, 2, BIG)))
    local second = cjson.decode((next_frame(buffer, MANY, 9, BIG)))

    assert.same({ t = "batch", first = 1, events = { 1, 2 } }, first)
    assert.same({ t = "batch", first = 3, events = { 3, 4, 5 } }, second)
    assert.is_nil(next_frame(buffer, MANY, 9, BIG))
  end)

  it("sends the most important first", function()
    local buffer = buffers.new(100, BIG)
    for i, class in ipairs({ "cache", "rate-limiting", "cluster", "crud", "totals", "plugin" }) do
      buffer:push(class, tostring(i))
    end

    assert.same({ 4, 3, 5, 6, 2, 1 }, events_of((next_frame(buffer, MANY, 9, BIG))))
  end)

  it("never has more than the window unacknowledged", function()
    local buffer = filled(10)

    assert.equal(4, #events_of((next_frame(buffer, 4, 9, BIG))))
    assert.is_nil(next_frame(buffer, 4, 9, BIG))
    buffer:ack(3)
    assert.equal(3, #events_of((next_frame(buffer, 4, 9, BIG))))
  end)

  it("keeps a frame within its bytes, and sends one item that is longer alone", function()
    local buffer = buffers.new(100, BIG)
    buffer:push("crud", '"' .. ("x"):rep(500) .. '"')
    buffer:push("crud", "2")

    assert.equal(1, #events_of((next_frame(buffer, MANY, 9, 200))))
    assert.same({ 2 }, events_of((next_frame(buffer, MANY, 9, 200))))
  end)

  it("forgets what is acknowledged, and its bytes", function()
    local buffer = filled(5)
    next_frame(buffer, MANY, 9, BIG)

    assert.equal(3, buffer:ack(3))
    assert.equal(2, buffer:ack(99))
    assert.equal(0, buffer:ack(99))
    assert.equal(0, buffer.events)
    assert.equal(0, buffer.bytes)
  end)

  it("sends again from the collector's cursor under the same numbers", function()
    local buffer = filled(5)
    next_frame(buffer, MANY, 9, BIG)

    assert.is_true(buffer:rewind(2))
    buffer:push("crud", "6")

    assert.same({ t = "batch", first = 3, events = { 3, 4, 5, 6 } }, cjson.decode((next_frame(buffer, MANY, 9, BIG))))
  end)

  it("does not take a cursor that lies before what it holds, or after what it sent", function()
    local buffer = filled(5)
    next_frame(buffer, MANY, 4, BIG)
    buffer:ack(3)

    assert.is_false(buffer:rewind(0))
    assert.is_false(buffer:rewind(5))
    buffer:renumber()
    assert.is_true(buffer:rewind(0))
    assert.same({ t = "batch", first = 1, events = { 4, 5 } }, cjson.decode((next_frame(buffer, MANY, 9, BIG))))
  end)

  it("sheds the least important first, and the oldest of those", function()
    local buffer = buffers.new(3, BIG)
    for i, class in ipairs({ "cache", "rate-limiting", "cache", "crud", "cluster" }) do
      assert.is_true(buffer:push(class, tostring(i)))
    end

    assert.same({ cache = 2 }, buffer:take_shed())
    assert.same({ 4, 5, 2 }, events_of((next_frame(buffer, MANY, 9, BIG))))
  end)

  it("sheds the newcomer when all that waits is more important", function()
    local buffer = filled(100, "crud")

    assert.is_false(buffer:push("cache", "x"))
    assert.same({ cache = 1 }, buffer:take_shed())
    assert.is_nil(buffer:take_shed())
  end)

  it("lets one in sixteen of a flood through, and only while there is nothing less important to shed", function()
    local buffer = buffers.new(3, BIG)
    buffer:push("cache", "1")
    buffer:push("crud", "2")
    assert.is_false(buffer:is_flooded("rate-limiting", 1))
    buffer:push("rate-limiting", "3")
    assert.is_false(buffer:is_flooded("rate-limiting", 1))
    buffer:push("rate-limiting", "4")

    local passed = 0
    for _ = 1, 160 do
      passed = passed + (buffer:is_flooded("rate-limiting", 1) and 0 or 1)
    end

    assert.equal(10, passed)
  end)

  it("never sheds what is in flight", function()
    local buffer = buffers.new(3, BIG)
    for i = 1, 3 do
      buffer:push("cache", tostring(i))
    end
    next_frame(buffer, MANY, 9, BIG)

    assert.is_false(buffer:push("crud", "4"))
    assert.equal(3, buffer.events)
  end)

  it("stays within its bytes whatever comes", function()
    local buffer = buffers.new(100000, 10000)
    local classes = buffers.CLASSES

    for i = 1, 3000 do
      buffer:push(classes[i % #classes + 1], ("x"):rep(i % 700))
      assert.is_true(buffer.bytes <= 10000)
      if i % 7 == 0 then
        next_frame(buffer, 20, 3, 2000)
      end
      if i % 50 == 0 then
        buffer:ack(buffer.cursor - 2)
      end
    end

    assert.is_true(buffer.events > 0)
  end)

  it("loses and doubles nothing, whatever the collector acknowledges and wherever it breaks off", function()
    local buffer, stored, acked, pushed = buffers.new(100000, BIG), {}, 0, 0
    local seed = 7
    local function dice(n)
      seed = (seed * 16807) % 2147483647
      return seed % n
    end

    for _ = 1, 5000 do
      local turn = dice(5)
      if turn <= 1 then
        pushed = pushed + 1
        buffer:push(buffers.CLASSES[dice(6) + 1], tostring(pushed))
      elseif turn == 2 then
        local frame = next_frame(buffer, 50, dice(7) + 1, 300)
        if frame and dice(4) > 0 then -- else it is lost on the way
          frame = cjson.decode(frame)
          assert.is_true(frame.first <= #stored + 1)
          for i, event in ipairs(frame.events) do
            stored[frame.first + i - 1] = stored[frame.first + i - 1] or event
          end
        elseif frame then
          assert.is_true(buffer:rewind(acked))
        end
      elseif turn == 3 then
        acked = #stored
        buffer:ack(acked)
      else
        acked = #stored
        assert.is_true(buffer:rewind(acked))
      end
    end
    buffer:rewind(#stored)
    local frame = next_frame(buffer, 100000, 100000, BIG)
    for _, event in ipairs(frame and events_of(frame) or {}) do
      stored[#stored + 1] = event
    end

    local seen = {}
    for _, event in ipairs(stored) do
      assert.is_nil(seen[event])
      seen[event] = true
    end
    assert.equal(pushed, #stored)
  end)

  it("puts another text in the place of an item that the collector cannot read", function()
    local buffer = filled(2, "plugin")
    next_frame(buffer, MANY, 1, BIG)
    buffer:rewind(0)

    assert.equal("plugin", buffer:replace_oldest('"gone"'))
    assert.same({ "gone", 2 }, events_of((next_frame(buffer, MANY, 9, BIG))))
    assert.same({ plugin = 1 }, buffer:take_shed())
  end)

  it("hands out everything when it is drained", function()
    local buffer, taken = filled(3), {}
    buffer:push("cache", "4")
    next_frame(buffer, MANY, 1, BIG)

    buffer:drain(function(class, text)
      taken[#taken + 1] = class .. text
    end)

    assert.same({ "crud1", "crud2", "crud3", "cache4" }, taken)
    assert.equal(0, buffer.bytes)
  end)


  it("says whether it can take an item before it has to shed it", function()
    local buffer = filled(100, "cache")

    assert.is_true(buffer:can_take("crud", 10))
    next_frame(buffer, MANY, 200, BIG)
    assert.is_false(buffer:can_take("crud", 10))
    buffer:ack(1)
    assert.is_true(buffer:can_take("crud", 10))
    assert.is_false(buffer:can_take("crud", BIG))
  end)
end)
