-- wrk's requests: recorded entries, one refusal in so many (REFUSED_ONE_IN), to paths, keys and addresses that vary.

local REFUSALS = { 10, 11, 12, 13 }
local PASSED = { 1, 2, 3, 4 }
local EVERY = tonumber(os.getenv("REFUSED_ONE_IN") or "50")
local n = 0

function request()
  n = n + 1
  local entries = n % EVERY == 0 and REFUSALS or PASSED
  return wrk.format("GET", "/orders/" .. n % 100 .. "?apikey=secret-" .. n % 50, {
    ["X-Replay"] = entries[math.floor(n / EVERY) % #entries + 1],
    ["X-Client"] = "203.0.113." .. n % 250,
  })
end
