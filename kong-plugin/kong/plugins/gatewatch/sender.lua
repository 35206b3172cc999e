-- One WebSocket connection to the collector per worker, in timers only: no socket may be used in init_worker or log
-- (openresty/lua-nginx-module README, "Cosockets Not Available Everywhere").
--
-- Each connection lives in a timer of its own, with a thread that reads and one that writes. When it ends, another
-- timer follows after a full-jitter delay, for ever. The writer looks for work every `flush_ms`, so nothing in the
-- request path has to wake it. Sent items stay in the buffer until the collector says that they are on disk.


local backoff = require "kong.plugins.gatewatch.backoff"
local config = require "kong.plugins.gatewatch.config"
local frames = require "kong.plugins.gatewatch.frames"
local wire = require "kong.plugins.gatewatch.wire"


local find = string.find
local floor = math.floor
local match = string.match
local max = math.max
local min = math.min
local pcall = pcall
local random = math.random
local setmetatable = setmetatable
local tonumber = tonumber
local tostring = tostring


local FRAME_BYTES = 16384 -- making and sending one frame holds the worker for some 20 us
local MAX_PAYLOAD = 16777216 -- of one WebSocket message, either way; the collector names its own limit
local MAX_INCOMING = 1048576 -- bytes of one message from the collector, fragments together
local READ_MS = 1000 -- how often the reader looks at the clock
local SILENCE_S = 20 -- the collector acknowledges every 5 s even when nothing was stored
local UNREADABLE = { [1007] = true, [1009] = true, [4400] = true, [4413] = true }


local client
do
  local ok, module = pcall(require, "resty.websocket.client")
  if not ok then
    ok, module = pcall(require, "nginx.websocket.client") -- the same library as Debian names it
  end
  client = ok and module or nil
end


local _M = {}
local mt = { __index = _M }


-- host: buffer, node, options(), vault, log(level, message), before_send(), before_stop(), after_stop(),
-- refused(seq) gives the text that takes the place of an item the collector cannot read.
function _M.new(host)
  return setmetatable({
    host = host,
    attempt = 0,
    batch_cap = nil,
    window = 0,
    is_running = false,
    is_connected = false,
    is_stopped = false,
    wants_restart = false,
    due = nil,
  }, mt)
end


-- The port is spelt out: lua-resty-websocket before 0.10 takes 80 for wss too.
local function with_port(url)
  local scheme, host, port, path = match(url, "^(wss?)://([^:/]+):?(%d*)(.*)$")
  if not scheme then
    return url
  end
  if port == "" then
    port = scheme == "wss" and "443" or "80"
  end
  return scheme .. "://" .. host .. ":" .. port .. path
end


local function connect(target, options)
  local timeout = ngx.worker.exiting() and min(options.timeout, max(options.drain_s * 1000, 1)) or options.timeout
  local ws, err = client:new({ timeout = timeout, max_payload_len = MAX_PAYLOAD })
  if not ws then
    return nil, err
  end
  local ok, header
  ok, err, header = ws:connect(with_port(target.url), {
    protocols = frames.PROTOCOL,
    headers = target.token and { "Authorization: Bearer " .. target.token } or nil,
    ssl_verify = options.ssl_verify,
    server_name = options.ssl_server_name,
  })
  if not ok then
    return nil, err
  end
  if header and not find(header, "^%s*HTTP/1%.1 101") then
    return nil, "the collector answered " .. (match(header, "^%s*HTTP/1%.1 (%d+)") or "something else")
  end
  return ws
end


-- The next message. Returns nil, why when the connection is over; nil, nil when nothing came for a while.
local function receive(self, ws)
  local parts = ""
  while true do
    local data, kind, err = ws:recv_frame()
    if not data then
      if parts == "" and find(err, "first 2 bytes: timeout", 1, true) then
        return nil
      end
      return nil, err
    elseif kind == "close" then
      self.close_code = tonumber(err)
      return nil, "closed by the collector: " .. tostring(err) .. " " .. data
    elseif kind == "ping" then
      self.pong = data
    elseif kind ~= "pong" then
      parts = parts .. data
      if #parts > MAX_INCOMING then
        return nil, "a message of the collector is too long"
      end
      if err ~= "again" then
        return parts
      end
    end
  end
end


local function hello(self, ws)
  local host, options = self.host, self.host.options()
  local node, buffer = host.node, host.buffer
  local name = options.source or node.hostname or node.id or "kong"
  return ws:send_text(frames.encode_hello({
    source = name .. "/" .. tostring(node.worker_id or "x"),
    epoch = node.epoch,
    oldest = buffer.oldest,
    next = buffer.next,
    node = { id = node.id, hostname = node.hostname, version = node.version and tostring(node.version) },
  }))
end


local function welcome(self, ws)
  local text, err = receive(self, ws)
  if not text then
    return nil, err or "no welcome in time"
  end
  local frame
  frame, err = frames.decode(text)
  if not frame or frame.t ~= "welcome" then
    return nil, "no welcome: " .. (err or frame.t)
  end
  if not self.host.buffer:rewind(frame.acked) then
    self.host.node:new_epoch()
    self.host.buffer:renumber()
    self.at_once = true
    return nil, "the collector does not know where we were; beginning a new epoch"
  end
  return frame
end


local function take_ack(self, frame)
  self.window = frame.window or self.window
  if frame.dead > 0 then
    self.host.log(ngx.WARN, "the collector put " .. frame.dead .. " events into quarantine")
  end
  if self.host.buffer:ack(frame.upto) > 0 then
    self.attempt = 0
    self.refused_at = nil
    if self.batch_cap then
      self.batch_cap = self.batch_cap * 2
    end
  end
end


local function read(self, ws)
  local heard = ngx.now()
  while true do
    local text, err = receive(self, ws)
    if text then
      heard = ngx.now()
      local frame
      frame, err = frames.decode(text)
      if not frame then
        return err
      elseif frame.t == "ack" then
        take_ack(self, frame)
      end
    elseif err then
      return err
    elseif ngx.now() - heard > SILENCE_S then
      return "nothing heard for " .. SILENCE_S .. " s"
    end
  end
end


local function send_all(self, ws, limits)
  local options = self.host.options()
  if self.pong then
    local data = self.pong
    self.pong = nil
    local ok, err = ws:send_pong(data)
    if not ok then
      return nil, err
    end
  end
  -- What comes while this sends waits for the next time: else every refusal of an attack would be a message of its own,
  -- and waking twice for each costs the worker more than the refusal.
  self.host.before_send()
  local buffer = self.host.buffer
  local due = buffer.next + buffer.pending
  while buffer.cursor < due and not self.wants_restart do
    local batch = min(limits.max_batch, options.batch_events, self.batch_cap or options.batch_events)
    local first, n, size = buffer:next_batch(self.window, batch, min(limits.max_bytes, FRAME_BYTES))
    if not first then
      return true
    end
    local length = buffer:write_batch(first, n, wire.room(size))
    local sent, err = ws.sock:send(wire.text_frame(length))
    if not sent then
      return nil, "failed to send frame: " .. tostring(err)
    end
    ngx.sleep(0.001) -- requests first
  end
  return true
end


local function write(self, ws, limits)
  local stop_by
  while not self.wants_restart do
    if ngx.worker.exiting() and not stop_by then
      stop_by = ngx.now() + self.host.options().drain_s
      self.host.before_stop()
    end
    local ok, err = send_all(self, ws, limits)
    if not ok then
      return err
    end
    if stop_by and (self.host.buffer.events == 0 or ngx.now() >= stop_by) then
      return "stopping"
    end
    ngx.sleep(stop_by and 0.02 or self.host.options().flush_ms / 1000)
  end
  return "settings changed"
end


local function converse(self, ws, limits)
  local reader = ngx.thread.spawn(read, self, ws)
  local writer = ngx.thread.spawn(write, self, ws, limits)
  local ok, why = ngx.thread.wait(reader, writer)
  ngx.thread.kill(reader)
  ngx.thread.kill(writer)
  return ok and why or tostring(why)
end


local function session(self)
  local host = self.host
  local target, err = config.connection(host.options(), host.vault)
  if not target then
    return err
  end
  local ws
  ws, err = connect(target, host.options())
  if not ws then
    return err
  end
  local limits
  local ok
  ok, err = hello(self, ws)
  if ok then
    limits, err = welcome(self, ws)
  end
  if limits then
    self.window = limits.window
    self.is_connected = true
    host.log(ngx.NOTICE, "connected to the collector")
    pcall(ws.sock.settimeouts, ws.sock, host.options().timeout, host.options().timeout, READ_MS)
    err = converse(self, ws, limits)
    self.is_connected = false
  end
  pcall(ws.send_close, ws, 1000)
  pcall(ws.sock.close, ws.sock)
  return err
end


-- The collector could not read what we sent: smaller batches, and in the end without the one that it refuses.
local function shrink(self)
  local buffer = self.host.buffer
  local sent = buffer.cursor - buffer.oldest
  if sent <= 0 then
    return
  end
  if self.batch_cap == 1 and self.refused_at == buffer.oldest then
    buffer:replace_oldest(self.host.refused(buffer.oldest))
    self.refused_at = nil
    return
  end
  self.batch_cap = max(1, floor(min(self.batch_cap or sent, sent) / 2))
  self.refused_at = self.batch_cap == 1 and buffer.oldest or nil
end


local function next_delay(self)
  if self.at_once then
    self.at_once = nil
    return 0
  end
  self.attempt = self.attempt + 1
  return backoff.delay_s(self.attempt, random)
end


local function stop(self)
  if not self.is_stopped then
    pcall(self.host.after_stop)
    self.is_stopped = true
  end
end


local run


function _M:schedule(delay)
  -- Kong replaces ngx.timer.at with a pool of threads that a connection would hold for ever (kong/globalpatches.lua).
  local timer_at = _G.native_timer_at or ngx.timer.at
  self.due = ngx.now() + delay
  local ok, err = timer_at(delay, run, self)
  if not ok then
    self.host.log(ngx.ERR, "no timer: " .. tostring(err)) -- `watch` tries again
  end
end


local function tell(self, why)
  if self.attempt == 1 or self.attempt % 20 == 0 then
    self.host.log(ngx.WARN, "not connected: " .. tostring(why) .. "; trying for ever")
  end
end


-- A stopping worker runs its pending timers at once, `premature`: one last connection, if something is left to send.
function run(premature, self)
  if self.is_running or self.is_stopped then
    return
  end
  if premature then
    self.host.before_send()
    if self.host.buffer.events == 0 then
      return stop(self)
    end
  end
  self.is_running, self.wants_restart, self.close_code = true, false, nil
  local ok, why = pcall(session, self)
  self.is_running, self.is_connected = false, false
  if ngx.worker.exiting() then
    return stop(self)
  end
  if not self.host.options().url then
    self.due = nil -- `watch` begins again when there is an address
    return
  end
  if UNREADABLE[self.close_code or 0] then
    shrink(self)
  end
  local delay = ok and self.wants_restart and 0 or next_delay(self)
  local retry_ms = tonumber(match(tostring(why), "retry_ms=(%d+)"))
  if retry_ms then
    delay = max(delay, min(retry_ms / 1000, 60))
  end
  tell(self, why)
  self:schedule(delay)
end


-- At the start and once a second: connect when there is an address, and go on if a timer could not be made.
function _M:watch()
  if self.is_running or self.is_stopped or not client then
    return
  end
  if not self.due or ngx.now() > self.due + 2 then
    self:schedule(0)
  end
end


-- Connect again with the settings now in force.
function _M:restart()
  self.wants_restart = true
  self.attempt = 0
end


-- The worker stops. An open connection sees that itself; else this makes the last one.
function _M:finish()
  if self.host.options().url then
    run(true, self)
  elseif not self.is_running then
    stop(self)
  end
end


function _M.has_client()
  return client ~= nil
end


_M.with_port = with_port


return _M
