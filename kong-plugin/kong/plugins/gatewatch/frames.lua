-- Frames of gatewatch.ingest.v1, both directions. Pure: JSON text in and out.


local cjson = require("cjson.safe").new()
local masking = require "kong.plugins.gatewatch.masking"


local floor = math.floor
local type = type


cjson.encode_sparse_array(true)
if cjson.encode_number_precision then
  cjson.encode_number_precision(14)
end


local MAX_ITEM_BYTES = 49152 -- leaves room for a batch of one in the smallest frame that collectors take


local _M = { PROTOCOL = "gatewatch.ingest.v1", MAX_ITEM_BYTES = MAX_ITEM_BYTES }


local function is_number(value)
  return type(value) == "number" and value >= 0 and value == floor(value)
end


-- JSON of one item, valid UTF-8. Returns nil, err when it cannot be encoded or is longer than 48 KiB.
function _M.encode_item(item)
  local text, err = cjson.encode(item)
  if not text then
    return nil, err
  end
  text = masking.utf8(text)
  if #text > MAX_ITEM_BYTES then
    return nil, "too long"
  end
  return text
end


function _M.encode_hello(hello)
  hello.t = "hello"
  return masking.utf8(cjson.encode(hello))
end


-- Read a collector's frame: `welcome` or `ack`. Returns nil, err for anything else.
function _M.decode(text)
  local frame, err = cjson.decode(text)
  if type(frame) ~= "table" then
    return nil, err or "no object"
  end
  if frame.t == "welcome" then
    if is_number(frame.acked) and is_number(frame.window) and is_number(frame.max_batch)
      and is_number(frame.max_bytes) and frame.max_batch > 0 and frame.max_bytes > 0
    then
      return frame
    end
    return nil, "welcome without acked, window, max_batch and max_bytes"
  elseif frame.t == "ack" then
    if is_number(frame.upto) and (frame.window == nil or is_number(frame.window)) then
      frame.dead = type(frame.dead) == "table" and #frame.dead or 0
      return frame
    end
    return nil, "ack without upto"
  end
  return nil, "neither welcome nor ack"
end


return _M
