-- Whether an answer is a refusal by a limit of Kong's, and how sure we can be.
--
-- The collector judges by the same table and has the last word (domain/violations.py of Gatewatch); here it
-- decides what leaves the node. What Kong sends is read from its source at 3.9:
-- kong/plugins/rate-limiting/handler.lua, kong/plugins/response-ratelimiting/{access,header_filter}.lua,
-- kong/plugins/request-termination/handler.lua, kong/tools/http.lua.
--
-- | seen                                                            | judged      |
-- | Kong answered, Retry-After, and 429 or RateLimit-Remaining: 0   | certain     |
-- | 429 by Kong after the upstream answered, a named limit at 0     | certain     |
-- | 429 by the upstream                                             | nil         |
-- | 429 by Kong, JSON shorter than its error template can be        | ruled-out   |
-- | 429 by Kong, anything else                                      | probable    |


local find = string.find
local lower = string.lower
local match = string.match
local pairs = pairs
local sub = string.sub
local tonumber = tonumber
local type = type


local ERROR_TEMPLATE_BYTES = 69 -- kong/tools/http.lua ERROR_TEMPLATES with a request id of 32 characters
local REMAINING = "x-ratelimit-remaining-"
local WINDOWS = { second = true, minute = true, hour = true, day = true, month = true, year = true }


local _M = { CERTAIN = "certain", PROBABLE = "probable", RULED_OUT = "ruled-out" }


-- A header's value; the first one where it was sent several times.
local function text_in(headers, name)
  local value = headers[name]
  if type(value) == "table" then
    value = value[1]
  end
  return value
end


local function number_in(headers, name)
  local value = text_in(headers, name)
  return type(value) == "number" and value or type(value) == "string" and tonumber(match(value, "^%d+$")) or nil
end


-- True when a limit with a name of its own (response-ratelimiting) is used up.
local function is_named_limit_reached(headers)
  for header in pairs(headers) do
    if sub(header, 1, #REMAINING) == REMAINING and number_in(headers, header) == 0 then
      local name, window = match(sub(header, #REMAINING + 1), "^(.+)%-([^%-]+)$")
      if name and (WINDOWS[lower(window)] or find(window, "^%d+$")) then
        return true
      end
    end
  end
  return false
end


-- The last status an upstream gave, from "502, 200"; nil when none answered ("-" is a lost connection).
local function last_upstream_status(upstream_status)
  return match(upstream_status or "", "(%d%d%d)%s*$")
end


local function is_too_short(answer, length)
  local headers = answer.headers
  local content_type = text_in(headers, "content-type")
  local server = text_in(headers, "server")
  return answer.has_request_id
    and length < ERROR_TEMPLATE_BYTES
    and type(content_type) == "string" and sub(content_type, 1, 16) == "application/json"
    and type(server) == "string" and find(server, "^kong/%d+%.%d+%.%d+$") ~= nil
end


-- Judge an answer by Kong that carries Retry-After.
-- remaining: its `RateLimit-Remaining`, as sent.
function _M.judge_retry_after(status, remaining)
  return (status == 429 or remaining == "0" or remaining == 0) and _M.CERTAIN or nil
end


-- Judge one answer: `certain`, `probable`, `ruled-out`, or nil when no limit of Kong's refused.
-- answer: status, source ("kong" or "upstream"), upstream_status, has_request_id, headers (lower case).
function _M.judge(answer)
  local headers = answer.headers
  local retry_after = headers["retry-after"] ~= nil
  if answer.source == "upstream" or not (retry_after or answer.status == 429) then
    return nil
  end
  if retry_after then
    return _M.judge_retry_after(answer.status, number_in(headers, "ratelimit-remaining"))
  end
  if last_upstream_status(answer.upstream_status) then
    return is_named_limit_reached(headers) and _M.CERTAIN or _M.PROBABLE
  end
  local length = number_in(headers, "content-length")
  return length and is_too_short(answer, length) and _M.RULED_OUT or _M.PROBABLE
end


return _M
