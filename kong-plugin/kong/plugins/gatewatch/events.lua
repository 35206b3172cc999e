-- What Kong tells its plugins about itself, made into events: configuration changes, cache invalidations, the health of
-- targets, new declarative configuration. Callbacks run in a timer that also invalidates Kong's caches, so they only
-- form an item and hand it on; they never raise.
--
-- Who sees what (kong/runloop/events.lua, kong/resty/mlcache/init.lua, 3.9):
--   dao:crud    the one worker that served the Admin API; so every worker listens
--   mlcache     every worker of the node; so only worker 0 listens, and a stopping one no longer does
--   declarative every worker; worker 0
--   health      every worker, the first one sometimes only one of them; a mark that all workers share takes the first,
--               and lasts for a while only: a target that was removed and comes back begins anew without an event


local masking = require "kong.plugins.gatewatch.masking"


local concat = table.concat
local find = string.find
local match = string.match
local pcall = pcall
local setmetatable = setmetatable
local tostring = tostring
local type = type


local SAME_CHANGE_S = 30 -- within this time workers tell of the same change of health
local VERBS = { create = "created", update = "updated", delete = "deleted" }


local _M = {}
local mt = { __index = _M }


-- options() gives the settings in force; give(class, item) takes an item; node is this node.
function _M.new(node, options, give, warn)
  return setmetatable({ node = node, options = options, give = give, warn = warn }, mt)
end


local function stamped(self, item)
  item.id = self.node:next_id()
  item.at_ms = self.node.now_ms()
  item.node = self.node.id
  return item
end


local function text(value)
  return type(value) == "string" and value or nil
end


local function name_of(entity)
  return text(entity.name) or text(entity.username) or text(entity.custom_id) or text(entity.target)
    or text(entity.prefix) or text(entity.group)
end


-- The field definitions of an entity; of a plugin those of its own configuration (kong/db/schema/init.lua).
local function fields_of(schema, entity)
  local subschemas = schema.subschemas
  local subschema = type(subschemas) == "table" and text(entity.name) and subschemas[entity.name]
  return type(subschema) == "table" and subschema.fields or schema.fields
end


-- Kong's data of one `dao:crud` event; nil for what is none.
-- data: {operation, schema, entity, old_entity}; `schema` is the DAO's live schema, or its name (Enterprise).
function _M:change(data)
  if type(data) ~= "table" or type(data.entity) ~= "table" or not VERBS[data.operation] then
    return nil
  end
  local schema = data.schema
  local is_table = type(schema) == "table"
  local collection = is_table and schema.name or text(schema)
  if not collection then
    return nil
  end
  local operation, entity = data.operation, data.entity
  local before, after = data.old_entity, entity
  if operation == "delete" then
    before, after = entity, nil
  end
  local fields = is_table and fields_of(schema, entity) or nil
  before, after = masking.change(before, after, collection, fields, self.extra)
  return stamped(self, {
    kind = "crud",
    event = collection .. "." .. VERBS[operation],
    entity_type = collection,
    entity_id = text(entity.id),
    entity_name = find(collection, "credential", 1, true) and text(entity.username) or name_of(entity),
    operation = operation,
    before = before,
    after = after,
    request_id = text(data.request_id),
    workspace = text(data.workspace) or text(entity.ws_id),
  })
end


-- One `mlcache` event: an invalidated key, or a purge of a whole cache.
function _M:cache_change(event, key)
  local what, cache = match(event, "^mlcache:(%a+):(.+)$")
  if what == "purge" then
    return stamped(self, { kind = "cache", event = "purged", cache = cache })
  elseif what ~= "invalidations" or type(key) ~= "string" then
    return nil
  end
  local key_masked, entity_type = masking.cache_key(key)
  return stamped(self, {
    kind = "cache",
    event = "invalidated",
    cache = cache,
    entity_type = entity_type,
    entity_id = masking.id_in_cache_key(key),
    key_masked = key_masked,
  })
end


-- Of `declarative`/`reconfigure`: [default workspace, router hash, plugins hash, balancer hash], hashes may be missing.
function _M:config_push(data)
  local hashes = type(data) == "table" and data or {}
  return stamped(self, {
    kind = "cluster",
    event = "config_pushed",
    workspace = text(hashes[1]),
    router_hash = text(hashes[2]),
    plugins_hash = text(hashes[3]),
    balancer_hash = text(hashes[4]),
  })
end


local function upstream_name(upstream_id)
  local ok, upstreams = pcall(require, "kong.runloop.balancer.upstreams")
  if not ok or not upstreams.get_upstream_by_id then
    return nil
  end
  local found, upstream = pcall(upstreams.get_upstream_by_id, upstream_id)
  return found and type(upstream) == "table" and text(upstream.name) or nil
end


-- A target's change of health; nil when another worker of the node has told it already.
function _M:health_change(upstream_id, ip, port, hostname, health)
  if health ~= "healthy" and health ~= "unhealthy" then
    return nil
  end
  local target = concat({ tostring(upstream_id), tostring(ip), tostring(port) }, "|")
  if not self.node:is_first(health .. ":" .. target, SAME_CHANGE_S) then
    return nil
  end
  self.node:forget((health == "healthy" and "unhealthy" or "healthy") .. ":" .. target)
  local name = text(hostname) or text(ip) or "?"
  return stamped(self, {
    kind = "cluster",
    event = "target_" .. health,
    entity_type = "upstreams",
    entity_id = text(upstream_id),
    upstream = upstream_name(upstream_id) or text(upstream_id),
    target = name .. ":" .. tostring(port),
    ip_of_target = text(ip),
    health = health,
  })
end


-- A callback for Kong. once_per_node: every worker hears it and worker 0 tells it; a stopping worker 0 does not, its
-- successor hears it as well.
local function guarded(self, setting, class, once_per_node, form)
  return function(...)
    if not self.options()[setting] or (once_per_node and ngx.worker.exiting()) then
      return
    end
    local ok, item = pcall(form, ...)
    if not ok then
      self.warn("an event could not be read: " .. tostring(item))
    elseif item then
      self.give(class, item)
    end
  end
end


-- Listen to Kong. Called once, in init_worker.
function _M:subscribe()
  local register = kong.worker_events.register
  register(guarded(self, "crud", "crud", false, function(data)
    return self:change(data)
  end), "dao:crud")
  if self.node.worker_id == 0 then
    register(guarded(self, "cache", "cache", true, function(data, event)
      return self:cache_change(event, data)
    end), "mlcache")
    register(guarded(self, "crud", "cluster", true, function(data)
      return self:config_push(data)
    end), "declarative", "reconfigure")
  end
  local ok, balancer = pcall(require, "kong.runloop.balancer")
  if ok and balancer.subscribe_to_healthcheck_events then
    balancer.subscribe_to_healthcheck_events(guarded(self, "health", "cluster", false, function(...)
      return self:health_change(...)
    end))
  end
end


return _M
