-- Refused requests: found and remembered in the log phase, written as text a few at a time.
--
-- One refusal among many other requests finds nothing of its code and tables in the processor's caches, and takes
-- twice as long as one that follows another. So what is known of a refusal is put into a slot, and sixteen slots are
-- written at one go, or what there is when the sender wakes.


local entries = require "kong.plugins.gatewatch.entries"
local frames = require "kong.plugins.gatewatch.frames"
local judgement = require "kong.plugins.gatewatch.judgement"


local pcall = pcall
local setmetatable = setmetatable
local tostring = tostring


local CLASS = "rate-limiting"
local SLOTS = 16
local TYPICAL_BYTES = 900


local _M = {}
local mt = { __index = _M }


local function new_slot()
  return {
    id = false, method = false, uri = false, host = false, user_agent = false, forwarded_for = false,
    client_ip = false, started_ms = 0, status = 0, source = "kong", upstream_status = "", headers = false,
    route = false, service = false, consumer = false,
  }
end


-- host: buffer, node, give_text(text), is_stopped(), warn(message).
function _M.new(host)
  local slots = {}
  for i = 1, SLOTS do
    slots[i] = new_slot()
  end
  return setmetatable({
    host = host, slots = slots, n = 0, node_text = entries.json_string(host.node.id or ""),
  }, mt)
end


-- The answer in hand as judgement.judge asks for it: one table for all, nothing yields while it is used.
local answer = { source = "kong" }


-- Judge an answer that Kong gave itself. It looks at three headers, and at all of them, which takes ten times as long,
-- only where an upstream had answered before.
local function judge_in_hand(status, retry_after, request_id)
  if retry_after then
    return judgement.judge_retry_after(status, status ~= 429 and ngx.header["ratelimit-remaining"])
  end
  local upstream_status = ngx.var.upstream_status
  answer.status = status
  answer.upstream_status = upstream_status
  answer.has_request_id = request_id ~= nil
  answer.headers = upstream_status and upstream_status ~= "" and ngx.resp.get_headers() or ngx.header
  return judgement.judge(answer)
end


-- What is known about the request in hand, as entries.encode asks for it. Names in ngx.ctx are those that the PDK
-- itself reads (kong/pdk/{log,router,client}.lua, 3.4 to 3.9); each PDK call would look ngx.ctx up again.
local function remember(slot, ctx, status, request_id)
  local var = ngx.var
  slot.id = request_id
  slot.method = ngx.req.get_method()
  slot.uri = var.request_uri
  slot.host = var.http_host
  slot.user_agent = var.http_user_agent
  slot.forwarded_for = var.http_x_forwarded_for
  slot.client_ip = var.remote_addr
  slot.started_ms = kong.request.get_start_time()
  slot.status = status
  slot.upstream_status = var.upstream_status or ""
  slot.headers = ngx.resp.get_headers()
  slot.route = ctx.route
  slot.service = ctx.service
  slot.consumer = ctx.authenticated_consumer
end


-- Take the request in hand, which Kong answered itself, if a limit refused it. Returns false when none did.
-- retry_after: that header of the answer, or nil.
function _M:take(ctx, status, retry_after)
  local request_id = ctx.request_id or ngx.var.kong_request_id -- from Kong 3.5
  if request_id == "" then
    request_id = nil
  end
  if not judge_in_hand(status, retry_after, request_id) then
    return false
  end
  local host = self.host
  if host.buffer:is_flooded(CLASS, TYPICAL_BYTES) then
    host.buffer:note_shed(CLASS, 1)
    return true
  end
  local n = self.n + 1
  remember(self.slots[n], ctx, status, request_id)
  self.n = n
  if n == SLOTS or host.is_stopped() then
    self:write()
  end
  return true
end


local function write(self, slot)
  return entries.encode(slot, self.node_text, not slot.id and self.host.node:next_id() or nil)
end


-- Write what was taken so far and give it to the buffer.
function _M:write()
  local host, n = self.host, self.n
  self.n = 0
  for i = 1, n do
    local ok, text = pcall(write, self, self.slots[i])
    if ok and #text <= frames.MAX_ITEM_BYTES then
      host.give_text(CLASS, text)
    else
      host.buffer:note_shed(CLASS, 1)
      host.warn("a refusal could not be written: " .. (ok and "too long" or tostring(text)))
    end
  end
end


return _M
