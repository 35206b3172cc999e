-- The plugin in a real nginx with two workers, against a collector that does what the test asks for.
-- Needs nginx with its Lua module and curl; `./test` installs them.


local cjson = require "cjson.safe"


local PORT = tonumber(os.getenv("GATEWATCH_SPEC_PORT") or "19510")
local BASE = "http://127.0.0.1:" .. PORT
local KEY = "alpha-00-405dee8521"
local REFUSED, PASSED = 11, 1 -- entries of spec/fixtures/entries.json: a refusal by rate-limiting, a 200
local PREFIX


local function sh(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local out = pipe:read("*a")
  pipe:close()
  return out
end


local function get(path, headers)
  return sh("curl -s -m 5 " .. (headers or "") .. " '" .. BASE .. path .. "'")
end


local function replay(n, times)
  sh(("curl -s -m 10 -o /dev/null -H 'X-Replay: %d' '%s/o?apikey=%s&n=[1-%d]'"):format(n, BASE, KEY, times))
end


local function collector(query)
  return get("/_collector?" .. query)
end


local function wait_for(what, seconds, condition)
  local found
  for _ = 1, seconds * 20 do
    found = condition()
    if found then
      return found
    end
    sh("sleep 0.05")
  end
  error("waited " .. seconds .. " s for " .. what .. "\n" .. sh("tail -n 20 " .. PREFIX .. "/error.log"))
end


local function stored()
  return tonumber(collector("get=stored")) or 0
end


-- Every event the collector stored since last asked, as tables.
local function take()
  local found = {}
  for line in collector("take=events"):gmatch("[^\n]+") do
    found[#found + 1] = cjson.decode(line)
  end
  return found
end


local function of_kind(events, kind, event)
  local found = {}
  for _, item in ipairs(events) do
    if item.kind == kind and (not event or item.event == event) then
      found[#found + 1] = item
    end
  end
  return found
end


local function gather(into, kind, event, n, seconds)
  return wait_for(n .. " of " .. kind, seconds or 10, function()
    for _, item in ipairs(take()) do
      into[#into + 1] = item
    end
    local found = of_kind(into, kind, event)
    return #found >= n and found
  end)
end


local function start(environment)
  PREFIX = sh("mktemp -d /tmp/gatewatch-spec.XXXXXX"):match("%S+")
  sh(("GATEWATCH_URL=ws://127.0.0.1:%d/v1/stream GATEWATCH_HEARTBEAT_S=1 GATEWATCH_TOTALS_S=1 MAIN='user root;' %s "
    .. "setsid spec/stand_in/nginx %s %d > %s/out 2>&1 < /dev/null &")
    :format(PORT, environment or "", PREFIX, PORT, PREFIX))
  wait_for("nginx", 5, function()
    return get("/_collector?get=stored"):match("^%d+")
  end)
end


-- Directives for a TLS way to the same collector, and for a certificate of its own.
local function tls_directives(folder)
  sh(("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=DNS:127.0.0.1 "
    .. "-keyout %s/key.pem -out %s/cert.pem"):format(folder, folder))
  return ("server { listen 127.0.0.1:%d ssl; ssl_certificate %s/cert.pem; ssl_certificate_key %s/key.pem; "
    .. 'location = /v1/stream { content_by_lua_block { require(\\"scripted_collector\\").stream() } } }')
    :format(PORT + 5, folder, folder)
end


local function signal(name)
  sh("kill -" .. name .. " $(cat " .. PREFIX .. "/nginx.pid)")
end


local function stop()
  signal("TERM")
  wait_for("nginx to stop", 5, function()
    return not io.open(PREFIX .. "/nginx.pid", "r")
  end)
  local log = sh("cat " .. PREFIX .. "/error.log")
  sh("rm -rf " .. PREFIX)
  return log
end


local function play(line)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(cjson.encode(line))
  file:close()
  sh("curl -s -m 5 --data-binary @" .. path .. " " .. BASE .. "/_stand_in/event")
  os.remove(path)
end


describe("in nginx", function()
  local seen

  before_each(function()
    seen = {}
  end)

  after_each(function()
    if PREFIX then
      local log = stop()
      assert.is_nil(log:find("[error]", 1, true), log)
      assert.is_nil(log:find("lua entry thread aborted", 1, true), log)
      PREFIX = nil
    end
  end)

  it("says hello per worker, with the token, and tells that the node lives", function()
    start("GATEWATCH_TOKEN=t0ken")

    local beat = gather(seen, "cluster", "node_heartbeat", 1)[1]
    local hellos = {}
    for line in collector("take=hellos"):gmatch("[^\n]+") do
      local hello = cjson.decode(line)
      hellos[hello.source] = hello
    end

    assert.equal("gw-1", beat.hostname)
    assert.equal("3.9.1", beat.version)
    assert.equal(2, beat.workers)
    assert.is_table(beat.queue)
    assert.equal(1, #of_kind(seen, "cluster", "node_started"))
    assert.equal(beat.node, hellos["gw-1/0"].node.id)
    assert.not_equal(hellos["gw-1/0"].epoch, hellos["gw-1/1"].epoch)
    assert.equal("Bearer t0ken", (collector("get=authorization"):gsub("\n", "")))
  end)

  it("sends each refusal once and counts the rest, with no key in any of it", function()
    start()
    replay(REFUSED, 30)
    replay(PASSED, 50)

    local refusals = gather(seen, "http-log", nil, 30)
    local counted = wait_for("50 requests in totals", 10, function()
      for _, item in ipairs(take()) do
        seen[#seen + 1] = item
      end
      local n = 0
      for _, item in ipairs(of_kind(seen, "totals")) do
        n = n + (item.counts["200"] or 0)
      end
      return n >= 50 and n
    end)
    local ids = {}
    for _, item in ipairs(refusals) do
      ids[item.entry.request.id] = true
    end
    local distinct = 0
    for _ in pairs(ids) do
      distinct = distinct + 1
    end

    assert.equal(30, #refusals)
    assert.equal(30, distinct)
    assert.equal(50, counted)
    assert.is_nil(cjson.encode(seen):find(KEY, 1, true))
  end)

  it("tells changes, invalidations once per node, health and pushes as Kong posted them", function()
    start()
    gather(seen, "cluster", "node_heartbeat", 1)
    local expected = { crud = 0, cache = 0 }
    for line in io.lines("spec/fixtures/kong-events.jsonl") do
      local recorded = cjson.decode(line)
      if recorded.source == "dao:crud" then
        expected.crud = expected.crud + 1
      elseif recorded.source == "mlcache" then
        expected.cache = expected.cache + 1
      end
      play(recorded)
    end
    play({ kind = "worker_event", source = "declarative", event = "reconfigure", data = { "ws", "a", "b", "c" } })

    gather(seen, "crud", nil, expected.crud)
    gather(seen, "cache", nil, expected.cache)
    gather(seen, "cluster", "config_pushed", 1)
    sh("sleep 0.5")
    gather(seen, "crud", nil, expected.crud)

    assert.equal(expected.crud, #of_kind(seen, "crud"))
    assert.equal(expected.cache, #of_kind(seen, "cache"))
    assert.equal(1, #of_kind(seen, "cluster", "config_pushed"))
    assert.is_true(#of_kind(seen, "cluster", "target_unhealthy") >= 1)
    assert.is_nil(cjson.encode(seen):find("alpha%-%d"))
  end)

  it("takes events of other plugins", function()
    start()
    assert.equal("true\n", get("/_stand_in/report?name=quota-exhausted"))

    local event = gather(seen, "plugin", "quota-exhausted", 1)[1]

    assert.equal("acme", event.consumer)
    assert.equal("[redacted]", event.detail.token)
  end)

  it("goes on after every break, and loses and doubles nothing", function()
    start()
    for _ = 1, 5 do
      collector("set=close")
      replay(REFUSED, 20)
      sh("sleep 0.3")
    end

    gather(seen, "http-log", nil, 100, 20)
    sh("sleep 0.5")
    gather(seen, "http-log", nil, 100, 1)

    assert.equal(100, #of_kind(seen, "http-log"))
  end)

  it("waits with a full window until the collector acknowledges, and sends again what was not", function()
    start()
    gather(seen, "cluster", "node_heartbeat", 1)
    collector("set=silent")
    replay(REFUSED, 40)
    sh("sleep 1")
    collector("unset=silent")
    collector("set=close")

    gather(seen, "http-log", nil, 40, 20)

    assert.equal(40, #of_kind(seen, "http-log"))
  end)

  it("keeps trying a collector that refuses it", function()
    start()
    collector("set=refuse")
    replay(REFUSED, 5)
    sh("sleep 1")
    collector("unset=refuse")

    gather(seen, "http-log", nil, 5, 20)

    assert.equal(5, #of_kind(seen, "http-log"))
  end)

  it("gets past an event that the collector cannot read, and says so", function()
    start()
    gather(seen, "cluster", "node_heartbeat", 1)
    collector("set=poison&value=evil-event")
    get("/_stand_in/report?name=evil-event")
    get("/_stand_in/report?name=good-event")

    gather(seen, "plugin", "good-event", 1, 30)
    local shed = gather(seen, "cluster", "sender_shed", 1, 10)

    assert.equal(0, #of_kind(seen, "plugin", "evil-event"))
    assert.is_true(#shed >= 1)
  end)

  it("sheds within its bounds while the collector is away, and says how much", function()
    start("GATEWATCH_BUFFER_EVENTS=100")
    gather(seen, "cluster", "node_heartbeat", 1)
    collector("set=refuse")
    sh("sleep 0.5")
    replay(REFUSED, 1000)
    collector("unset=refuse")

    gather(seen, "cluster", "sender_shed", 1, 20)
    sh("sleep 1.5")
    gather(seen, "cluster", "sender_shed", 1, 1)
    local shed = 0
    for _, report in ipairs(of_kind(seen, "cluster", "sender_shed")) do
      shed = shed + (report.shed["rate-limiting"] or 0)
    end

    assert.is_true(shed >= 800)
    assert.equal(1000, #of_kind(seen, "http-log") + shed)
  end)

  it("hands everything on when workers are reloaded", function()
    start()
    for _ = 1, 3 do
      replay(REFUSED, 30)
      signal("HUP")
      sh("sleep 0.4")
    end

    gather(seen, "http-log", nil, 90, 20)
    sh("sleep 0.5")
    gather(seen, "http-log", nil, 90, 1)

    assert.equal(90, #of_kind(seen, "http-log"))
    assert.equal(1, #of_kind(seen, "cluster", "node_started"))
  end)

  it("says what stopped workers had to leave behind while the collector was away", function()
    start()
    gather(seen, "cluster", "node_heartbeat", 1)
    collector("set=refuse")
    sh("sleep 0.5")
    replay(REFUSED, 30)
    signal("HUP")
    sh("sleep 1")
    collector("unset=refuse")

    local reports = gather(seen, "cluster", "sender_shed", 1, 20)

    assert.equal(30, #of_kind(seen, "http-log") + reports[1].shed["rate-limiting"])
  end)

  it("hands on what stopped workers held, where nginx has the dictionary", function()
    start("HTTP='lua_shared_dict gatewatch 4m;'")
    gather(seen, "cluster", "node_heartbeat", 1)
    collector("set=refuse")
    sh("sleep 0.5")
    replay(REFUSED, 30)
    signal("HUP")
    sh("sleep 1")
    collector("unset=refuse")

    gather(seen, "http-log", nil, 30, 20)

    assert.equal(30, #of_kind(seen, "http-log"))
    assert.equal(0, #of_kind(seen, "cluster", "sender_shed"))
  end)

  it("takes its settings from the plugin's configuration, too", function()
    start("CONFIGS='{ { source = \"from-plugin\", heartbeat_s = 1 } }'")

    wait_for("a hello under the new name", 10, function()
      return collector("take=hellos"):find("from-plugin", 1, true)
    end)
  end)

  it("resolves a vault reference that Kong could not resolve yet when the worker started", function()
    start("GW_TOKEN=fr0m-vault MAIN='user root; env GW_TOKEN;' "
      .. "CONFIGS='{ { token = \"\", heartbeat_s = 1, [\"$refs\"] = { token = \"{vault://env/gw-token}\" } } }'")
    gather(seen, "cluster", "node_heartbeat", 1)

    assert.equal("Bearer fr0m-vault", (collector("get=authorization"):gsub("\n", "")))
  end)

  it("takes them from requests in Kong 3.4, from the instance with the lowest id", function()
    start("WORKERS=1 OPTIONS='has_configure = false, request_configs = { "
      .. "{ source = \"second\", __plugin_id = \"b\" }, { source = \"first\", __plugin_id = \"a\" } }'")
    gather(seen, "cluster", "node_heartbeat", 1)
    local function ask(config)
      sh(("curl -s -o /dev/null -H 'X-Replay: 1' -H 'X-Config: %d' '%s/o?n=[1-40]'"):format(config, BASE))
    end

    local function greets_as(name)
      return function()
        for line in collector("take=hellos"):gmatch("[^\n]+") do
          if cjson.decode(line).source == name .. "/0" then
            return true
          end
        end
      end
    end

    ask(1)
    wait_for("a hello as second", 10, greets_as("second"))
    ask(2)
    wait_for("a hello as first", 10, greets_as("first"))
    ask(1)
    sh("sleep 1")

    assert.is_nil(greets_as("second")())
  end)

  it("does nothing in a data plane's privileged agent", function()
    start("OPTIONS='agent = 1'")
    gather(seen, "cluster", "node_heartbeat", 2)
    local sources = {}
    for line in collector("take=hellos"):gmatch("[^\n]+") do
      sources[#sources + 1] = cjson.decode(line).source
    end

    assert.same({ "gw-1/0" }, sources)
  end)

  it("checks the collector's certificate unless it is told not to", function()
    local folder = sh("mktemp -d /tmp/gatewatch-tls.XXXXXX"):match("%S+")
    local http = tls_directives(folder)
    local url = ("GATEWATCH_URL=wss://127.0.0.1:%d/v1/stream "):format(PORT + 5)
    local trusted = "lua_ssl_trusted_certificate " .. folder .. "/cert.pem;"

    start(url .. ('HTTP="%s %s"'):format(trusted, http))
    gather(seen, "cluster", "node_heartbeat", 1)
    stop()
    start(url .. ('GATEWATCH_SSL_VERIFY=false HTTP="%s"'):format(http))
    gather(seen, "cluster", "node_heartbeat", 1)
    stop()
    start(url .. ('LEVEL=notice HTTP="%s"'):format(http))
    sh("sleep 1.5")
    local hellos, log = collector("take=hellos"), stop()
    PREFIX = nil
    sh("rm -rf " .. folder)

    assert.equal("", hellos)
    assert.is_truthy(log:find("ssl handshake failed", 1, true), log)
  end)

  it("does nothing where no collector is configured", function()
    start("GATEWATCH_URL=''")
    replay(REFUSED, 5)
    sh("sleep 1.5")

    assert.equal(0, stored())
    assert.equal("", collector("take=hellos"))
  end)
end)
