package = "kong-plugin-gatewatch"
version = "0.1.0-1"
rockspec_format = "3.0"

source = {
  url = "file://.", -- `luarocks make` builds the working folder
}

description = {
  summary = "Streams what a Kong node sees to a Gatewatch collector",
  detailed = [[
    Refused requests, traffic totals, configuration changes, cache invalidations, the health of upstream targets and a
    heartbeat, over one WebSocket connection per worker. No network call in the request path; secrets are masked in
    the node.
  ]],
  license = "Apache-2.0",
}

dependencies = {
  "lua >= 5.1, < 5.2",
}

build = {
  type = "builtin",
  modules = {
    ["kong.plugins.gatewatch.backoff"] = "kong/plugins/gatewatch/backoff.lua",
    ["kong.plugins.gatewatch.buffer"] = "kong/plugins/gatewatch/buffer.lua",
    ["kong.plugins.gatewatch.config"] = "kong/plugins/gatewatch/config.lua",
    ["kong.plugins.gatewatch.entries"] = "kong/plugins/gatewatch/entries.lua",
    ["kong.plugins.gatewatch.events"] = "kong/plugins/gatewatch/events.lua",
    ["kong.plugins.gatewatch.frames"] = "kong/plugins/gatewatch/frames.lua",
    ["kong.plugins.gatewatch.handler"] = "kong/plugins/gatewatch/handler.lua",
    ["kong.plugins.gatewatch.handover"] = "kong/plugins/gatewatch/handover.lua",
    ["kong.plugins.gatewatch.judgement"] = "kong/plugins/gatewatch/judgement.lua",
    ["kong.plugins.gatewatch.masking"] = "kong/plugins/gatewatch/masking.lua",
    ["kong.plugins.gatewatch.node"] = "kong/plugins/gatewatch/node.lua",
    ["kong.plugins.gatewatch.pages"] = "kong/plugins/gatewatch/pages.lua",
    ["kong.plugins.gatewatch.refusals"] = "kong/plugins/gatewatch/refusals.lua",
    ["kong.plugins.gatewatch.report"] = "kong/plugins/gatewatch/report.lua",
    ["kong.plugins.gatewatch.ring"] = "kong/plugins/gatewatch/ring.lua",
    ["kong.plugins.gatewatch.schema"] = "kong/plugins/gatewatch/schema.lua",
    ["kong.plugins.gatewatch.sender"] = "kong/plugins/gatewatch/sender.lua",
    ["kong.plugins.gatewatch.settings"] = "kong/plugins/gatewatch/settings.lua",
    ["kong.plugins.gatewatch.totals"] = "kong/plugins/gatewatch/totals.lua",
    ["kong.plugins.gatewatch.uri"] = "kong/plugins/gatewatch/uri.lua",
    ["kong.plugins.gatewatch.wire"] = "kong/plugins/gatewatch/wire.lua",
    ["kong.plugins.gatewatch.worker"] = "kong/plugins/gatewatch/worker.lua",
  },
}
