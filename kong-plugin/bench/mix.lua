-- wrk's requests: recorded entries in the proportions of the recorded trace, about one refusal in eight.

local REFUSALS = { 10, 11, 12, 13 }
local PASSED = { 1, 2, 3, 4 }
local n = 0

function request()
  n = n + 1
  local entries = n % 8 == 0 and REFUSALS or PASSED
  return wrk.format("GET", "/orders/" .. n % 100 .. "?apikey=secret-" .. n % 50, {
    ["X-Replay"] = entries[n % #entries + 1],
    ["X-Client"] = "203.0.113." .. n % 250,
  })
end
