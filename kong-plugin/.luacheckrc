std = "ngx_lua"
read_globals = { "kong" }
max_line_length = 120
ignore = { "212/self" } -- Kong calls handlers with a colon
files["spec/**/*.lua"] = { std = "ngx_lua+busted" }
files["spec/stand_in/**/*.lua"] = { globals = { "kong", "config_of_request", "ngx" } }
files["bench/**/*.lua"] = { globals = { "wrk", "request", "setup", "init" } }
