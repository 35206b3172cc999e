local worker = require "kong.plugins.gatewatch.worker"
local node = require "kong.plugins.gatewatch.node"


local Gatewatch = {
  VERSION = node.PLUGIN_VERSION,
  PRIORITY = 11, -- after the logging plugins (http-log is 12): nothing depends on it
}


-- Runs in every worker once, wherever the plugin is loaded, with no configuration.
function Gatewatch:init_worker()
  worker.start()
end


-- From Kong 3.5 on, with every configured instance, or nil; not on control planes.
function Gatewatch:configure(configs)
  worker.configure(configs)
end


-- After the answer was sent. Only judges, counts and puts into the buffer.
function Gatewatch:log(conf)
  worker.log(conf)
end


return Gatewatch
