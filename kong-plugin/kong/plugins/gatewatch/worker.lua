-- One worker's part: puts the pieces together, ticks once a second, and takes requests in the log phase.
--
-- Nothing here may slow a request down or fail it. `log` runs after the answer was sent; it counts, and for the few
-- requests that a limit refused it makes one item, all inside pcall. Sockets are the sender's, in timers.


local buffers = require "kong.plugins.gatewatch.buffer"
local config = require "kong.plugins.gatewatch.config"
local events = require "kong.plugins.gatewatch.events"
local frames = require "kong.plugins.gatewatch.frames"
local handover = require "kong.plugins.gatewatch.handover"
local masking = require "kong.plugins.gatewatch.masking"
local nodes = require "kong.plugins.gatewatch.node"
local refusals = require "kong.plugins.gatewatch.refusals"
local senders = require "kong.plugins.gatewatch.sender"
local totals = require "kong.plugins.gatewatch.totals"


local next = next
local pairs = pairs
local pcall = pcall
local setmetatable = setmetatable
local tostring = tostring


local TICK_S = 1
local UNCONFIGURED_S = 30 -- how long events are kept while nobody has said where to send them
local WARN_EVERY_S = 60
local SUCCESSOR_WAITS_S = 1 -- after a reload: the collector closes the older of two connections of the same source
local REPORT_BYTES = 500
local PORTION = 20 -- items made in a timer at one go: some 0.1 ms
local COLUMNS = {
  "consumer", "consumer_id", "ip", "service", "service_id", "route", "route_id", "request_id", "status",
}


local _M = {}
local mt = { __index = _M }
local this -- this worker; nil before start and in the stream subsystem


local function log(level, message)
  ngx.log(level, "[gatewatch] ", message)
end


-- A warning, at most one a minute: what fails once fails for every request.
local function warn(self, message)
  local now = ngx.now()
  if now >= self.warn_after then
    self.warn_after = now + WARN_EVERY_S
    log(ngx.WARN, message)
  end
end


-- Put an item's text into the buffer; once the worker has stopped sending, count it as lost. False when it was shed.
local function give_text(self, class, text)
  if self.sender.is_stopped then
    self.node:add("lost", { [class] = 1 })
    return false
  end
  return self.buffer:push(class, text)
end


-- Encode an item and put it into the buffer. Returns false when it was shed.
local function give(self, class, item)
  if not self.is_collecting then
    return false
  end
  local text, err = frames.encode_item(item)
  if not text and (item.before or item.after) then
    item.before, item.after, item.cut = nil, nil, true
    text, err = frames.encode_item(item)
  end
  if not text then
    warn(self, "an event of kind " .. class .. " could not be encoded: " .. tostring(err))
    self.buffer:note_shed(class, 1)
    return false
  end
  return give_text(self, class, text)
end


local function give_totals(self)
  return function(item)
    item.id = self.node:next_id()
    item.node = self.node.id
    -- Kong's own refusals went one by one: a 429 that is left in the counts is the upstream's.
    item.refusals = self.options.violations and "apart" or nil
    give(self, "totals", item)
  end
end


local function shed_report(self, shed)
  local total = 0
  for _, n in pairs(shed) do
    total = total + n
  end
  local now_ms = self.node.now_ms()
  return {
    kind = "cluster",
    event = "sender_shed",
    id = self.node:next_id(),
    at_ms = now_ms,
    node = self.node.id,
    worker = self.node.worker_id,
    from_ms = self.shed_from_ms or now_ms,
    to_ms = now_ms,
    total = total,
    shed = shed,
  }
end


-- Gather what was shed; say so when there is somebody to hear it. While everything that is held is on its way and
-- nothing can make room, the report waits: it must not be shed itself.
local function report_shed(self, is_heard)
  local shed = self.buffer:take_shed()
  if shed then
    self.node:add("dropped", shed)
    self.shed_from_ms = self.shed_from_ms or self.node.now_ms()
    for class, n in pairs(shed) do
      self.shed[class] = (self.shed[class] or 0) + n
    end
  end
  if is_heard and next(self.shed) ~= nil and self.buffer:can_take("crud", REPORT_BYTES) then
    if give(self, "crud", shed_report(self, self.shed)) then
      self.shed, self.shed_from_ms = {}, nil
    end
  end
end


local function beat(self, now)
  if self.node.worker_id ~= 0 or not self.sender.is_connected then
    self.next_beat = 0 -- at once when connected
    return
  end
  if now < self.next_beat or not self.buffer:can_take("cluster", REPORT_BYTES) then
    return
  end
  self.next_beat = now + self.options.heartbeat_s
  local item = self.node:sign_of_life("node_heartbeat")
  item.heartbeat_s = self.options.heartbeat_s
  item.queue = self.node:depth()
  item.dropped = self.node:numbers("dropped", buffers.CLASSES)
  give(self, "cluster", item)
end


local function forget_if_unconfigured(self, now)
  if not self.options.url and self.is_collecting and now > self.started + UNCONFIGURED_S then
    self.is_collecting = false
    self.buffer:drain(function() end)
    log(ngx.NOTICE, "no collector is configured; nothing is collected")
  end
end


-- Work in portions, and requests in between. Only in a timer.
local function in_portions(take)
  while take(PORTION) do
    ngx.sleep(0.001)
  end
end


local function take_over(self)
  if self.node.worker_id ~= 0 or ngx.worker.exiting() then
    return
  end
  handover.take_lost(self.buffer, self.node, buffers.CLASSES)
  in_portions(function(most)
    return handover.take_left(self.buffer, ngx.shared.gatewatch, most)
  end)
end


local function tick(self)
  local now = ngx.now()
  forget_if_unconfigured(self, now)
  if not self.is_collecting then
    return
  end
  self.refusals:write()
  self.node:set_depth(self.buffer.events, self.buffer.bytes)
  report_shed(self, self.sender.is_connected)
  beat(self, now)
  if self.options.url then
    self.sender:watch()
  end
  self.totals:flush(now)
  local give_one = give_totals(self)
  in_portions(function(most)
    return self.totals:hand_over(most, give_one)
  end)
  take_over(self)
end


-- Everything that was counted and refused so far, at once.
local function give_all(self)
  self.refusals:write()
  self.totals:flush(nil)
  self.totals:hand_over(math.huge, give_totals(self))
end


-- The last words before a connection closes for good.
local function before_stop(self)
  give_all(self)
  report_shed(self, true)
end


local function on_tick(premature)
  if premature then
    before_stop(this)
    this.sender:finish()
    return
  end
  local ok, err = pcall(tick, this)
  if not ok then
    warn(this, "tick: " .. tostring(err))
  end
end


local function after_stop(self)
  give_all(self)
  report_shed(self, false)
  for class, n in pairs(self.shed) do
    self.buffer:note_shed(class, n)
  end
  self.shed = {}
  local left, counted = handover.leave(self.buffer, self.node, ngx.shared.gatewatch)
  self.node:set_depth(0, 0)
  if left + counted > 0 then
    log(ngx.WARN, "stopped with " .. left .. " events left to the next worker and " .. counted .. " lost")
  end
end


local function apply(self, resolved)
  local before = self.options
  self.options = resolved
  self.is_collecting = resolved.url ~= nil or ngx.now() <= self.started + UNCONFIGURED_S
  self.buffer.max_events, self.buffer.max_bytes = resolved.buffer_events, resolved.buffer_bytes
  self.totals.max_keys, self.totals.interval_s = resolved.totals_keys, resolved.totals_s
  self.events.extra = masking.name_set(resolved.secret_names)
  if before and config.reconnects(before, resolved) then
    self.sender:restart()
  end
end


local function resolve(plugin)
  return config.resolve(plugin, kong.configuration or {}, function(message)
    log(ngx.WARN, message)
  end)
end


local function new_host(self)
  return {
    buffer = self.buffer,
    node = self.node,
    vault = kong.vault,
    log = log,
    options = function() return self.options end,
    before_send = function() self.refusals:write() end,
    before_stop = function() before_stop(self) end,
    after_stop = function() after_stop(self) end,
    refused = function()
      return frames.encode_item(shed_report(self, { refused = 1 }))
    end,
  }
end


local function new_worker()
  local now = ngx.now()
  local self = setmetatable({
    started = now, warn_after = 0, next_beat = 0, shed = {}, met = setmetatable({}, { __mode = "k" }),
  }, mt)
  self.node = nodes.new()
  local options = resolve(nil)
  self.buffer = buffers.new(options.buffer_events, options.buffer_bytes)
  self.totals = totals.new(options.totals_keys, options.totals_s, now)
  self.events = events.new(self.node, function() return self.options end, function(class, item)
    give(self, class, item)
  end, function(message)
    warn(self, message)
  end)
  self.refusals = refusals.new({
    buffer = self.buffer,
    node = self.node,
    give_text = function(class, text) give_text(self, class, text) end,
    is_stopped = function() return self.sender.is_stopped end,
    warn = function(message) warn(self, message) end,
  })
  self.sender = senders.new(new_host(self))
  apply(self, options)
  return self
end


local function start()
  this = new_worker()
  if not senders.has_client() then
    log(ngx.ERR, "resty.websocket.client is missing; nothing can be sent")
    this = nil
    return
  end
  this.events:subscribe()
  if this.node.worker_id == 0 and this.node:is_first("started") then
    give(this, "cluster", this.node:sign_of_life("node_started"))
  end
  local timer_every = _G.native_timer_every or ngx.timer.every
  local ok, err = timer_every(TICK_S, on_tick)
  if not ok then
    log(ngx.ERR, "no timer: " .. tostring(err))
  end
  local is_successor = not this.node:is_first("worker:" .. tostring(this.node.worker_id))
  if this.options.url then
    this.sender:schedule(is_successor and SUCCESSOR_WAITS_S or 0)
  end
end


-- Called in init_worker. Never raises: Kong would report the node as damaged.
function _M.start()
  if ngx.config.subsystem ~= "http" or not ngx.worker.id() then -- streams; a data plane's privileged agent
    return
  end
  local ok, err = pcall(start)
  if not ok then
    this = nil
    log(ngx.ERR, "could not start: " .. tostring(err))
  end
end


-- Take the plugin's configuration: `configs` as Kong hands them to `configure`, nil when there is none.
function _M.configure(configs)
  if not this then
    return
  end
  this.is_configured = true
  local ok, err = pcall(function()
    apply(this, resolve(config.choose(configs)))
  end)
  if not ok then
    log(ngx.ERR, "could not be configured: " .. tostring(err))
  end
end


-- Kong 3.4 has no `configure`: each request brings the configuration of the instance that applies to it. As there, the
-- one with the lowest id counts; a newer configuration of the same instance takes its place.
local function meet(self, conf)
  self.last_conf = conf
  if self.met[conf] then
    return
  end
  self.met[conf] = true
  local chosen = config.choose({ self.chosen, conf })
  if chosen == conf or chosen.__plugin_id == conf.__plugin_id then
    self.chosen = conf
    apply(self, resolve(conf))
  end
end


local function take_request(self, conf)
  if conf and conf ~= self.last_conf and not self.is_configured then
    meet(self, conf)
  end
  if not self.is_collecting then
    return
  end
  local options, status, ctx = self.options, ngx.status, ngx.ctx
  if options.violations then
    local source = kong.response.get_source(ctx)
    if source ~= "service" then
      local retry_after = ngx.header["retry-after"]
      if (status == 429 or retry_after) and self.refusals:take(ctx, status, retry_after) then
        return
      end
    end
  end
  if options.totals then
    self.totals:count(status, ctx.route, ctx.service, ctx.authenticated_consumer)
  end
end


function _M.log(conf)
  if not this then
    return
  end
  local ok, err = pcall(take_request, this, conf)
  if not ok then
    warn(this, "a request could not be taken: " .. tostring(err))
  end
end


-- Take an event of another plugin; see report.lua.
function _M.report(name, fields)
  if not this or not this.is_collecting then
    return nil, "no collector is configured"
  end
  local rest = masking.value(fields or {}, this.events.extra)
  local item = {
    kind = "plugin",
    event = name,
    id = this.node:next_id(),
    at_ms = this.node.now_ms(),
    node = this.node.id,
  }
  for i = 1, #COLUMNS do
    local column = COLUMNS[i]
    item[column], rest[column] = rest[column], nil
  end
  item.detail = rest.detail or (next(rest) ~= nil and rest or nil)
  if give(this, "plugin", item) then
    return true
  end
  return nil, "shed"
end


return _M
