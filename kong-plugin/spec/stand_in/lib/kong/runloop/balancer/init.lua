-- Hands recorded health changes to subscribers, as kong/runloop/balancer/healthcheckers.lua does (3.9).

local subscribers = {}


return {
  subscribe_to_healthcheck_events = function(callback)
    subscribers[#subscribers + 1] = callback
  end,

  announce = function(data)
    for i = 1, #subscribers do
      subscribers[i](data.upstream_id, data.ip, data.port, data.hostname, data.health)
    end
  end,
}
