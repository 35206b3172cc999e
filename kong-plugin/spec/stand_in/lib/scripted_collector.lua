-- A collector that does what the test asks for, in the same nginx: it acknowledges, stays silent, refuses or closes.
-- What it "stored" is counted by id in the dictionary `collector`.


local cjson = require "cjson.safe"


local _M = {}


local function server()
  local ok, module = pcall(require, "resty.websocket.server")
  if not ok then
    module = require "nginx.websocket.server"
  end
  return module
end


local function get(name, default)
  local value = ngx.shared.collector:get("mode:" .. name)
  if value == nil then
    return default
  end
  return value
end


local function cursor_of(hello)
  return "cursor:" .. hello.source .. ":" .. hello.epoch
end


local function store(hello, frame)
  local dict = ngx.shared.collector
  local cursor = dict:get(cursor_of(hello)) or 0
  if frame.first > cursor + 1 then
    return nil, "expected " .. (cursor + 1)
  end
  for i, event in ipairs(frame.events) do
    local seq = frame.first + i - 1
    if seq > cursor then
      dict:incr("stored", 1, 0)
      dict:lpush("events", cjson.encode(event))
    else
      dict:incr("resent", 1, 0)
    end
  end
  cursor = math.max(cursor, frame.first + #frame.events - 1)
  dict:set(cursor_of(hello), cursor)
  return cursor
end


local function answer(ws, hello, frame)
  local upto, err = store(hello, frame)
  if not upto then
    ws:send_close(4409, err)
    return false
  end
  if get("silent") then
    return true
  end
  ws:send_text(cjson.encode({ t = "ack", upto = upto, window = get("window", 2000) }))
  return true
end


local function greet(ws)
  local hello = cjson.decode((ws:recv_frame()) or "")
  if not hello or hello.t ~= "hello" then
    ws:send_close(4400, "no hello")
    return nil
  end
  ngx.shared.collector:lpush("hellos", cjson.encode(hello))
  local acked = ngx.shared.collector:get(cursor_of(hello)) or 0
  ws:send_text(cjson.encode({
    t = "welcome", acked = acked, window = get("window", 2000), max_batch = get("max_batch", 500), max_bytes = 1048576,
  }))
  return hello
end


-- Acknowledge a frame without reading its events: for measuring, so that little else uses the processor.
local function acknowledge_unread(ws, hello, text)
  local dict = ngx.shared.collector
  local first = tonumber(text:match('"first":(%d+)'))
  local _, n = text:gsub('},{"', "")
  n = n + 1
  dict:incr("stored", n, 0)
  dict:set(cursor_of(hello), first + n - 1)
  ws:send_text(cjson.encode({ t = "ack", upto = first + n - 1, window = get("window", 2000) }))
end


-- In content_by_lua of the stream's location.
function _M.stream()
  ngx.shared.collector:set("authorization", ngx.var.http_authorization or "")
  if get("refuse") then
    return ngx.exit(401)
  end
  local ws = assert(server():new({ timeout = 200, max_payload_len = 1048576 }))
  local hello, quiet = greet(ws), 0
  while hello do
    local text, kind, err = ws:recv_frame()
    quiet = text and 0 or quiet + 1
    if quiet == 25 then -- five seconds
      quiet = 0
      ws:send_text(cjson.encode({ t = "ack", upto = ngx.shared.collector:get(cursor_of(hello)) or 0 }))
    end
    if kind == "close" or (not text and not (err and err:find("timeout", 1, true))) then
      return
    end
    if get("close") or get("refuse") then
      ngx.shared.collector:delete("mode:close")
      ws:send_close(1001, "going away")
      return
    end
    if kind == "text" and get("unread") then
      acknowledge_unread(ws, hello, text)
    elseif kind == "text" then
      local frame = cjson.decode(text)
      local poison = get("poison")
      if not frame or (poison and text:find(poison, 1, true)) then
        ws:send_close(4400, "a frame could not be read")
        return
      end
      if not answer(ws, hello, frame) then
        return
      end
    elseif kind == "ping" then
      ws:send_pong(text)
    end
  end
end


-- In content_by_lua of /_collector: GET ?set=<mode>&value=<v>, ?take=events, ?get=<counter>.
function _M.control()
  local args = ngx.req.get_uri_args()
  local dict = ngx.shared.collector
  if args.set then
    dict:set("mode:" .. args.set, args.value and (tonumber(args.value) or args.value) or true)
  elseif args.unset then
    dict:delete("mode:" .. args.unset)
  elseif args.flush then
    dict:flush_all()
  elseif args.take then
    local value = dict:rpop(args.take)
    while value do
      ngx.say(value)
      value = dict:rpop(args.take)
    end
    return
  end
  ngx.say(dict:get(args.get or "stored") or 0)
end


return _M
