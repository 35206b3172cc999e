local backoff = require "kong.plugins.gatewatch.backoff"
local frames = require "kong.plugins.gatewatch.frames"


describe("frames", function()
  it("read a welcome and an ack", function()
    local welcome = assert(frames.decode('{"t":"welcome","acked":7,"window":2000,"max_batch":500,"max_bytes":1048576}'))
    local ack = assert(frames.decode('{"t":"ack","upto":9,"window":10,"dead":[{"seq":8,"why":"x"}]}'))

    assert.equal(7, welcome.acked)
    assert.equal(9, ack.upto)
    assert.equal(1, ack.dead)
  end)

  for text, expected in pairs({
    ["[]"] = "neither welcome nor ack",
    ["7"] = "no object",
    ['{"t":"welcome","acked":-1}'] = "welcome without acked, window, max_batch and max_bytes",
    ['{"t":"welcome","acked":1,"window":1,"max_batch":0,"max_bytes":1}'] =
      "welcome without acked, window, max_batch and max_bytes",
    ['{"t":"ack"}'] = "ack without upto",
    ['{"t":"ack","upto":1.5}'] = "ack without upto",
    ['{"t":"hello"}'] = "neither welcome nor ack",
  }) do
    it("refuse " .. text, function()
      local frame, err = frames.decode(text)

      assert.is_nil(frame)
      assert.equal(expected, err)
    end)
  end

  it("refuse what is no JSON", function()
    assert.is_nil((frames.decode("{")))
  end)

  it("write milliseconds in full and text as UTF-8", function()
    assert.equal('{"at_ms":1795384625482}', frames.encode_item({ at_ms = 1795384625482 }))
    assert.equal('["a\239\191\189"]', frames.encode_item({ "a\255" }))
  end)

  it("do not take an item longer than 48 KiB", function()
    local text, err = frames.encode_item({ ("x"):rep(50000) })

    assert.is_nil(text)
    assert.equal("too long", err)
  end)

  it("do not raise on what JSON cannot hold", function()
    assert.is_nil((frames.encode_item({ f = print })))
  end)
end)


describe("backoff", function()
  it("is full jitter between 0.1 s and a ceiling that doubles up to 30 s", function()
    local function highest() return 0.999999 end
    local function lowest() return 0 end

    assert.is_true(math.abs(backoff.delay_s(1, highest) - 0.2) < 0.001)
    assert.is_true(math.abs(backoff.delay_s(4, highest) - 1.6) < 0.001)
    assert.is_true(math.abs(backoff.delay_s(1000000, highest) - 30) < 0.001)
    assert.equal(0.1, backoff.delay_s(1000000, lowest))
  end)
end)
