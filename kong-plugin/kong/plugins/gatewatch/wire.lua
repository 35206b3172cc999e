-- WebSocket text frames as a client sends them, masked (RFC 6455, 5.2 and 5.3).
--
-- resty.websocket masks byte by byte, some 17 us for 16 KiB, during which the worker answers nobody; here it is four
-- bytes at a time, 1 us. And the payload is written where it is masked, so a frame is one string: the garbage collector
-- works off a long string at once, by holding up the requests that come next. The rest of the protocol stays the
-- library's.


local bit = require "bit"
local ffi = require "ffi"


local band = bit.band
local bxor = bit.bxor
local cast = ffi.cast
local copy = ffi.copy
local floor = math.floor
local random = math.random
local rshift = bit.rshift
local text_of = ffi.string


local FIN_TEXT, MASKED = 0x81, 0x80
local WORD_BYTES = 4 -- the key, and what is masked at once
local PAYLOAD_AT, KEY_AT = 16, 12 -- room for ten bytes of opcode and length; whole words
local FIRST_SIZE = 32768


local bytes_of = ffi.typeof("uint8_t[?]")
local words_at = ffi.typeof("int32_t *")
local memory, size = bytes_of(FIRST_SIZE), FIRST_SIZE
local key_bytes = ffi.new("uint8_t[4]")


local _M = {}


-- Four random bytes. math.random, as in resty.websocket; Kong seeds it from the system (kong/globalpatches.lua).
local function new_key()
  for i = 0, WORD_BYTES - 1 do
    key_bytes[i] = random(0, 255)
  end
  return cast(words_at, key_bytes)[0]
end


-- Write opcode and length so that they end where the key begins. Returns where they begin.
local function put_head(length)
  if length < 126 then
    memory[KEY_AT - 1] = MASKED + length
    memory[KEY_AT - 2] = FIN_TEXT
    return KEY_AT - 2
  end
  local n = length < 65536 and 2 or 8
  local rest = length
  for i = 1, n do
    memory[KEY_AT - i] = band(rest, 0xff)
    rest = floor(rest / 256)
  end
  memory[KEY_AT - n - 1] = MASKED + (n == 2 and 126 or 127)
  memory[KEY_AT - n - 2] = FIN_TEXT
  return KEY_AT - n - 2
end


-- Memory (uint8_t *) for a payload of up to so many bytes, good until the next call.
function _M.room(bytes)
  if bytes + PAYLOAD_AT + WORD_BYTES > size then
    size = bytes + PAYLOAD_AT + WORD_BYTES
    memory = bytes_of(size)
  end
  return memory + PAYLOAD_AT
end


-- The whole frame of the text that was written there, `length` bytes long.
function _M.text_frame(length)
  local key = new_key()
  copy(memory + KEY_AT, key_bytes, WORD_BYTES)
  local words = cast(words_at, memory + PAYLOAD_AT)
  for i = 0, rshift(length + WORD_BYTES - 1, 2) - 1 do
    words[i] = bxor(words[i], key)
  end
  local from = put_head(length)
  return text_of(memory + from, PAYLOAD_AT + length - from)
end


return _M
