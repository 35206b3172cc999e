local ffi = require "ffi"
local wire = require "kong.plugins.gatewatch.wire"


local function frame_of(text)
  ffi.copy(wire.room(#text), text, #text)
  return wire.text_frame(#text)
end


-- What a server reads from a frame, byte by byte as RFC 6455 tells it: first byte, text, bytes in all.
local function read(frame)
  local first, second = frame:byte(1, 2)
  assert.is_true(second >= 0x80, "not masked")
  local length, at = second - 0x80, 3
  local extra = length == 126 and 2 or length == 127 and 8 or 0
  if extra > 0 then
    length = 0
    for i = at, at + extra - 1 do
      length = length * 256 + frame:byte(i)
    end
    at = at + extra
  end
  local key = { frame:byte(at, at + 3) }
  local text = {}
  for i = 1, length do
    text[i] = string.char(bit.bxor(frame:byte(at + 3 + i), key[(i - 1) % 4 + 1]))
  end
  return first, table.concat(text), at + 3 + length, table.concat(key, ".")
end


describe("a frame", function()
  for _, length in ipairs({ 0, 1, 2, 3, 4, 5, 125, 126, 127, 1000, 16383, 32767, 65535, 65536, 70001 }) do
    it("of " .. length .. " bytes is one masked text frame that holds just them", function()
      local parts = {}
      for i = 1, length do
        parts[i] = string.char((i * 7 + 13) % 256)
      end
      local text = table.concat(parts)

      local frame = frame_of(text)
      local first, found, bytes = read(frame)

      assert.equal(0x81, first)
      assert.equal(bytes, #frame)
      assert.is_true(text == found)
    end)
  end

  it("is masked with another key each time", function()
    local keys, n = {}, 0
    for _ = 1, 50 do
      local _, _, _, key = read(frame_of("secret"))
      n = n + (keys[key] and 0 or 1)
      keys[key] = true
    end

    assert.is_true(n > 45)
  end)

  it("holds nothing of a longer one before it", function()
    frame_of(("x"):rep(100))

    local _, found = read(frame_of("ab"))

    assert.equal("ab", found)
  end)
end)
