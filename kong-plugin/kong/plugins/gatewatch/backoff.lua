-- How long to wait before connecting again: full jitter between 0.1 s and a ceiling that doubles up to 30 s.
-- There is no last attempt.


local min = math.min


local FLOOR_S = 0.1
local CEILING_S = 30


local _M = {}


-- Seconds before attempt number `attempt` (1 is the first one after a failure); `random` gives [0, 1).
function _M.delay_s(attempt, random)
  local ceiling = min(CEILING_S, FLOOR_S * 2 ^ min(attempt, 16))
  return FLOOR_S + random() * (ceiling - FLOOR_S)
end


return _M
