-- This node and this worker: names, ids that never repeat, and the few numbers that all workers of the node share.
--
-- The shared numbers live in Kong's own dictionary `kong_locks`, under "gatewatch:", some dozens of bytes each. They
-- outlive a reload, so what a stopped worker had to leave behind is still reported, and a worker knows that it has a
-- predecessor. (`kong reload` empties the dictionary `kong`: kong/init.lua reset_kong_shm, 3.4 to 3.9.)


local floor = math.floor
local fmt = string.format
local open = io.open
local pairs = pairs
local pcall = pcall
local random = math.random
local setmetatable = setmetatable
local tostring = tostring
local type = type


local PREFIX = "gatewatch:"
local PLUGIN_VERSION = "0.1.0"


local _M = { PLUGIN_VERSION = PLUGIN_VERSION }
local mt = { __index = _M }


local function random_hex()
  local file = open("/dev/urandom", "rb")
  local bytes = file and file:read(8)
  if file then
    file:close()
  end
  if not bytes then
    return fmt("%08x%08x", random(0, 2147483647), random(0, 2147483647))
  end
  return (bytes:gsub(".", function(c)
    return fmt("%02x", c:byte())
  end))
end


local function call(f, ...)
  local ok, value = pcall(f, ...)
  return ok and value or nil
end


function _M.new()
  local kong, ngx = kong, ngx
  return setmetatable({
    id = call(kong.node.get_id),
    hostname = call(kong.node.get_hostname),
    version = kong.version,
    worker_id = ngx.worker.id(),
    worker_count = ngx.worker.count(),
    dict = ngx.shared.kong_locks,
    epoch = random_hex(),
    made = 0,
  }, mt)
end


-- Milliseconds since 1970, UTC.
function _M.now_ms()
  return floor(ngx.now() * 1000)
end


-- An id that no other event has.
function _M:next_id()
  self.made = self.made + 1
  return self.epoch .. "-" .. self.made
end


function _M:new_epoch()
  self.epoch = random_hex()
  self.made = 0
end


-- True for the first caller on this node since it started, since `forget`, or within `ttl_s` seconds.
function _M:is_first(what, ttl_s)
  return self.dict == nil or (self.dict:safe_add(PREFIX .. what, 1, ttl_s or 0)) == true
end


function _M:forget(what)
  if self.dict then
    self.dict:delete(PREFIX .. what)
  end
end


-- Add to numbers that all workers share: `add("dropped", {cache = 3})`.
function _M:add(group, numbers)
  if not self.dict then
    return
  end
  for name, n in pairs(numbers) do
    self.dict:incr(PREFIX .. group .. ":" .. name, n, 0)
  end
end


-- Say how much this worker holds.
function _M:set_depth(events, bytes)
  if self.dict and self.worker_id then
    self.dict:safe_set(PREFIX .. "events:" .. self.worker_id, events)
    self.dict:safe_set(PREFIX .. "bytes:" .. self.worker_id, bytes)
  end
end


-- How much the workers hold together.
function _M:depth()
  local events, bytes = 0, 0
  if self.dict then
    for worker_id = 0, self.worker_count - 1 do
      events = events + (self.dict:get(PREFIX .. "events:" .. worker_id) or 0)
      bytes = bytes + (self.dict:get(PREFIX .. "bytes:" .. worker_id) or 0)
    end
  end
  return { events = events, bytes = bytes }
end


-- A group of shared numbers, those of `names` that are not 0.
function _M:numbers(group, names)
  local found = {}
  for _, name in pairs(names) do
    local n = self.dict and self.dict:get(PREFIX .. group .. ":" .. name) or 0
    if n > 0 then
      found[name] = n
    end
  end
  return found
end


-- Take a group of shared numbers: they are 0 afterwards, and no other worker gets the same ones.
function _M:take(group, names)
  local taken = self:numbers(group, names)
  for name, n in pairs(taken) do
    self.dict:incr(PREFIX .. group .. ":" .. name, -n)
  end
  return taken
end


-- The hash of the configuration in force: DB-less nodes and data planes have one.
local function config_hash()
  local configuration = kong.configuration or {}
  if configuration.database ~= "off" and configuration.role ~= "data_plane" then
    return nil
  end
  local ok, declarative = pcall(require, "kong.db.declarative")
  local hash = ok and call(declarative.get_current_hash)
  return type(hash) == "string" and hash or nil
end


-- What a heartbeat says, and the first sign of life of a node.
function _M:sign_of_life(event)
  return {
    kind = "cluster",
    event = event,
    id = self:next_id(),
    at_ms = _M.now_ms(),
    node = self.id,
    hostname = self.hostname,
    version = self.version and tostring(self.version) or nil,
    role = kong.configuration and kong.configuration.role,
    workers = self.worker_count,
    plugin_version = PLUGIN_VERSION,
    config_hash = config_hash(),
  }
end


return _M
