-- As much of Kong as the plugin touches, in a plain nginx: what the PDK gives, worker events.
--
-- Requests are played from recorded log entries: `X-Replay: <n>` makes a request be answered, and look in the log
-- phase, like entry n of spec/fixtures/entries.json. Recorded worker events are posted to /_stand_in/event.


local cjson = require "cjson.safe"


local ENTRIES
local callbacks = {}
local seen_events = 0


local _M = {}


local function read_json(path)
  local file = assert(io.open(path, "r"))
  local text = file:read("*a")
  file:close()
  return assert(cjson.decode(text))
end


local function uuid()
  local file = assert(io.open("/proc/sys/kernel/random/uuid", "r"))
  local id = file:read("*l")
  file:close()
  return id
end


local function dispatch(source, event, data)
  if source == "_health" then
    require("kong.runloop.balancer").announce(data)
    return
  end
  for _, registered in ipairs(callbacks) do
    if (not registered.source or registered.source == source) and (not registered.event or registered.event == event)
    then
      local ok, err = pcall(registered.callback, data, event, source, ngx.worker.id())
      if not ok then
        ngx.log(ngx.ERR, "stand-in: a callback raised: ", err)
      end
    end
  end
end


local worker_events = {
  register = function(callback, source, event)
    callbacks[#callbacks + 1] = { callback = callback, source = source, event = event }
    return true
  end,
}


-- To every worker of the node: through the dictionary, each worker looks every 20 ms.
function worker_events.post(source, event, data)
  local n = ngx.shared.stand_in:incr("posted", 1, 0)
  ngx.shared.stand_in:set("event:" .. n, cjson.encode({ source = source, event = event, data = data }), 30)
end


local function poll_events(premature)
  if premature then
    return
  end
  local posted = ngx.shared.stand_in:get("posted") or 0
  for n = seen_events + 1, posted do
    local found = cjson.decode(ngx.shared.stand_in:get("event:" .. n) or "")
    if found then
      dispatch(found.source, found.event, found.data)
    end
  end
  seen_events = posted
end


local function new_kong(options)
  return {
    version = options.version or "3.9.1",
    configuration = options.configuration or { database = "postgres", role = "traditional" },
    worker_events = worker_events,
    node = {
      get_id = function() return ngx.shared.kong:get("stand_in_node_id") end,
      get_hostname = function() return options.hostname or "gw-1" end,
    },
    request = { get_start_time = function() return ngx.req.start_time() * 1000 end },
    response = {
      get_source = function(ctx)
        ctx = ctx or ngx.ctx
        return ctx.KONG_EXITED and "exit" or ctx.KONG_PROXIED and "service" or "error"
      end,
    },
    vault = {
      get = function(reference)
        local name = reference:match("^{vault://env/([%w%-]+)}$")
        local found = name and os.getenv((name:upper():gsub("%-", "_")))
        if not found then
          return nil, "could not find " .. reference
        end
        return found
      end,
    },
  }
end


-- As Kong does whenever it loads its configuration, a reload included (kong/init.lua reset_kong_shm): of its own
-- dictionary only the node's id and some counters are left.
local function reset_dictionary()
  local node_id = ngx.shared.kong:get("stand_in_node_id")
  ngx.shared.kong:flush_all()
  ngx.shared.kong:set("stand_in_node_id", node_id or uuid())
end


-- Kong 3.4 hands a configuration over with each request only: the one that the header X-Config names.
local function hand_over_configs(configs)
  config_of_request = function()
    return configs[tonumber(ngx.var.http_x_config) or 1]
  end
end


-- In init_by_lua: the node gets its id, as Kong gives itself one at every start.
function _M.init(options)
  reset_dictionary()
  if options.request_configs then
    hand_over_configs(options.request_configs)
  end
  ENTRIES = read_json(options.fixtures .. "/entries.json")
  _M.options = options
  kong = new_kong(options)
end


-- In init_worker_by_lua.
function _M.init_worker(handler, configs)
  seen_events = ngx.shared.stand_in:get("posted") or 0
  if _M.options.agent == ngx.worker.id() then -- as in the privileged agent, which Debian's nginx does not have
    ngx.worker.id = function() return nil end
  end
  ngx.timer.every(0.02, poll_events)
  if handler then
    handler:init_worker()
    if handler.configure and _M.options.has_configure ~= false then
      handler:configure(nil)
      handler:configure(configs)
    end
  end
end


-- Work of the kind that Kong does for every request, really done: matching routes, looking up a key, two counters of
-- rate-limiting with their headers, Kong's own headers. For measuring; once is about a fifth of Kong's.
local ROUTES = {}
for i = 1, 12 do
  ROUTES[i] = "^/(?:orders|service-" .. i .. ")/[a-z0-9-]+/" .. i .. "$"
end


local function count_up(key, window_s, limit)
  local now = ngx.time()
  local start = now - now % window_s
  local used = ngx.shared.stand_in:incr(key .. ":" .. start .. ":" .. window_s, 1, 0, window_s + 1) or 0
  return math.max(0, limit - used), start + window_s - now
end


local function work(entry)
  local uri = ngx.var.uri
  for i = 1, #ROUTES do
    ngx.re.find(uri, ROUTES[i], "jo")
  end
  local headers, args = ngx.req.get_headers(), ngx.req.get_uri_args()
  local subject = headers["x-client"] or args.apikey or entry.client_ip
  ngx.req.set_header("X-Consumer-ID", entry.consumer and entry.consumer.id or "")
  ngx.req.set_header("X-Kong-Request-Id", ngx.var.kong_request_id)
  for name, window_s in pairs({ Minute = 60, Hour = 3600 }) do
    local left, reset = count_up(tostring(subject), window_s, 1000000)
    ngx.header["X-RateLimit-Limit-" .. name] = 1000000
    ngx.header["X-RateLimit-Remaining-" .. name] = left
    ngx.header["RateLimit-Reset"] = reset
  end
  ngx.header["Via"] = "1.1 kong/3.9.1"
end


local function refuse(entry)
  ngx.status = entry.response.status
  for name, value in pairs(entry.response.headers) do
    if name:find("ratelimit", 1, true) or name == "retry-after" or name == "server" then
      ngx.header[name] = value
    end
  end
  ngx.header["content-type"] = "application/json; charset=utf-8"
  ngx.print('{"message":"API rate limit exceeded"}')
  return ngx.exit(ngx.status)
end


-- In access_by_lua: what Kong's router, authentication and limits would have found.
function _M.access()
  local entry = ENTRIES[tonumber(ngx.var.http_x_replay) or 1] or ENTRIES[1]
  local ctx = ngx.ctx
  ctx.entry, ctx.route, ctx.service = entry, entry.route, entry.service
  ctx.authenticated_consumer = entry.consumer
  ngx.header["X-Kong-Request-Id"] = ngx.var.kong_request_id
  for _ = 1, _M.options.work or 0 do
    work(entry)
  end
  if entry.source == "kong" then
    ctx.KONG_EXITED = true
    return refuse(entry)
  end
  ctx.KONG_PROXIED = true
  ngx.req.set_header("X-Status", entry.response.status)
end


-- Answers POST /_stand_in/event: one recorded line of kong-events.jsonl.
function _M.play_event()
  ngx.req.read_body()
  local line = cjson.decode(ngx.req.get_body_data() or "")
  if not line then
    return ngx.exit(400)
  end
  if line.kind == "hc_subscriber" then
    worker_events.post("_health", "health", line.data)
  elseif line.source == "dao:crud" or line.source == "crud" then
    local name = line.data.schema["<schema>"]
    line.data.schema = { name = name, fields = {}, each_field = function() end } -- live schemas hold functions
    dispatch(line.source, line.event, line.data)
  else
    worker_events.post(line.source, line.event, line.data)
  end
  ngx.say("ok")
end


return _M
