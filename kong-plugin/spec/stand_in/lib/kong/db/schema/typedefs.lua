-- The few of Kong's typedefs that the schema names (kong/db/schema/typedefs.lua, 3.9).

return {
  no_consumer = { type = "foreign", reference = "consumers", eq = ngx and ngx.null or nil },
  protocols_http = {
    type = "set",
    required = true,
    default = { "grpc", "grpcs", "http", "https" },
    elements = { type = "string", one_of = { "grpc", "grpcs", "http", "https" } },
  },
}
