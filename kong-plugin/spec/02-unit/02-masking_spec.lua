local cjson = require "cjson.safe"
local masking = require "kong.plugins.gatewatch.masking"
local uris = require "kong.plugins.gatewatch.uri"


local WS = "308e2b57-a16d-4b45-b1f3-132a45df6517"
local ID = "fbc4b6f9-cbc7-404d-8786-d3d20981b575"


local function lines(path)
  local found = {}
  for line in io.lines(path) do
    found[#found + 1] = assert(cjson.decode(line))
  end
  return found
end


describe("masking of names", function()
  for _, name in ipairs({
    "apikey", "X-API-Key", "client_secret", "redis_password", "Authorization", "Set-Cookie", "kong-admin-token",
    "key", "cert_key", "access_token", "jwt", "hmac_secret", "private_key", "some_key",
  }) do
    it("takes " .. name .. " for a secret", function()
      assert.is_true(masking.is_secret_name(name))
    end)
  end

  for _, name in ipairs({ "username", "key_names", "hide_credentials", "cache_key", "public_key", "host", "keys" }) do
    it("does not take " .. name .. " for one", function()
      assert.is_false(masking.is_secret_name(name))
    end)
  end

  it("takes names the operator adds", function()
    local extra = masking.name_set({ "X-Partner-Ident" })

    assert.is_true(masking.is_secret_name("x_partner_ident", extra))
    assert.is_false(masking.is_secret_name("x_partner_ident"))
  end)
end)


describe("masking of text", function()
  for text, expected in pairs({
    ["/orders?page=2"] = "/orders?page=2",
    ["/o?apikey=abc123&page=2"] = "/o?apikey=[redacted]&page=2",
    ["https://user:pa55@host/x"] = "https://user:[redacted]@host/x",
    ["Bearer abcdefgh"] = "Bearer [redacted]",
    ["authorization: Basic dXNlcjpwYXNz"] = "authorization: Basic [redacted]",
    ["token eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.abc-def end"] = "token [redacted] end",
    ["-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nrest"] = "[redacted]\nrest",
    ["keyauth_credentials:s3cret:::::ws"] = "keyauth_credentials:[redacted]",
    ["nothing here"] = "nothing here",
  }) do
    it("of " .. text:gsub("\n", " "), function()
      assert.equal(expected, masking.text(text))
    end)
  end

  it("cuts what is longer than 4096 characters", function()
    assert.equal(4099, #masking.text(("x"):rep(10000)))
  end)
end)


describe("masking of addresses", function()
  for uri, expected in pairs({
    ["/orders"] = "/orders",
    ["/orders?a=1&apikey=abc"] = "/orders?a=[redacted]&apikey=[redacted]",
    ["/orders?rawsecret"] = "/orders?[redacted]",
    ["/o?" .. ("n"):rep(80) .. "=1"] = "/o?[redacted]",
    ["/o?"] = "/o",
    ["/o?a="] = "/o?a=[redacted]",
    ["/o?=secret"] = "/o?=[redacted]",
    ["/o?=secret=x&=="] = "/o?=[redacted]&==",
    ["/o?&&a=1&"] = "/o?&&a=[redacted]&",
    ["/o?a=1?b=2"] = "/o?a=[redacted]",
    ["/o?f[x]=1&e%20il=2&last"] = "/o?f[x]=[redacted]&[redacted]&[redacted]",
    ["/login;token=abc/x"] = "/login;token=[redacted]",
  }) do
    it("keeps names and no value: " .. uri:sub(1, 40), function()
      assert.equal(expected, uris.mask(uri))
    end)
  end
end)


describe("masking of cache keys", function()
  for key, expected in pairs({
    ["router:version"] = "router:version",
    ["services:" .. ID .. ":::::" .. WS] = "services:" .. ID .. ":::::" .. WS,
    ["keyauth_credentials:s3cret:::::" .. WS] = "keyauth_credentials:[redacted]:::::" .. WS,
    ["keyauth_credentials:a:b:c:::::" .. WS] = "keyauth_credentials:[redacted]:::::" .. WS,
    ["keyauth_credentials:" .. ID .. ":::::" .. WS] = "keyauth_credentials:[redacted]:::::" .. WS,
    ["oauth2_tokens:abc"] = "oauth2_tokens:[redacted]",
    ["session_storage:abc:::::" .. WS] = "session_storage:[redacted]:::::" .. WS,
    ["custom_things:" .. ID .. ":::::" .. WS] = "custom_things:" .. ID .. ":::::" .. WS,
    ["custom_things:text:::::" .. WS] = "custom_things:[redacted]:::::" .. WS,
    ["targets:" .. ID .. ":10.0.0.1:80::::" .. WS] = "targets:" .. ID .. ":10.0.0.1:80::::" .. WS,
  }) do
    it("of " .. key, function()
      assert.equal(expected, (masking.cache_key(key)))
    end)
  end

  it("finds the id where the first field is one", function()
    assert.equal(ID, masking.id_in_cache_key("services:" .. ID .. ":::::" .. WS))
    assert.is_nil(masking.id_in_cache_key("consumers:acme:::::" .. WS))
    assert.is_nil(masking.id_in_cache_key("keyauth_credentials:" .. ID .. ":::::" .. WS))
  end)
end)


describe("masking of a change", function()
  it("numbers secrets, so that a changed one shows", function()
    local before, after = masking.change(
      { id = ID, config = { redis = { password = "old", host = "r" } } },
      { id = ID, config = { redis = { password = "new", host = "r" } } }, "plugins"
    )

    assert.same({ id = ID, config = { redis = { password = "[redacted:1]", host = "r" } } }, before)
    assert.equal("[redacted:2]", after.config.redis.password)
  end)

  it("gives equal secrets equal numbers", function()
    local before, after = masking.change({ key = "same" }, { key = "same" }, "keyauth_credentials")

    assert.equal(before.key, after.key)
  end)

  it("masks every field of a credential that is not known to be harmless", function()
    local _, after = masking.change(nil, { id = ID, username = "u", invented_field = "x" }, "custom_credentials")

    assert.same({ id = ID, username = "u", invented_field = "[redacted:1]" }, after)
  end)

  it("masks what the schema says is encrypted", function()
    local fields = { { config = { fields = { { endpoint = { encrypted = true } }, { port = {} } } } } }
    local _, after = masking.change(nil, { config = { endpoint = "https://u@h", port = 1 } }, "plugins", fields)

    assert.same({ config = { endpoint = "[redacted:1]", port = 1 } }, after)
  end)

  it("leaves functions and nulls behind, and ends where an entity holds itself", function()
    local entity = { id = ID, f = print, none = cjson.null }
    entity.me = entity
    local _, after = masking.change(nil, entity, "services")

    assert.equal(ID, after.id)
    assert.is_nil(after.f)
    assert.is_nil(after.none)
    assert.is_string(cjson.encode(after))
  end)

  it("lets no recorded credential through", function()
    for _, line in ipairs(lines("spec/fixtures/kong-events.jsonl")) do
      local data = line.data
      if line.source == "dao:crud" and data.schema["<schema>"] == "keyauth_credentials" then
        local _, after = masking.change(nil, data.entity, "keyauth_credentials")

        assert.is_nil(cjson.encode(after):find(data.entity.key, 1, true))
      end
    end
  end)
end)


describe("utf8", function()
  for label, pair in pairs({
    ["plain text"] = { "abc", "abc" },
    ["two to four bytes"] = { "é€😀", "é€😀" },
    ["a lone byte"] = { "a\255b", "a\239\191\189b" },
    ["a cut sequence"] = { "a\226\130", "a\239\191\189\239\191\189" },
    ["a surrogate"] = { "\237\160\128", ("\239\191\189"):rep(3) },
    ["an overlong form"] = { "\192\175", ("\239\191\189"):rep(2) },
  }) do
    it("of " .. label, function()
      assert.equal(pair[2], masking.utf8(pair[1]))
    end)
  end
end)
