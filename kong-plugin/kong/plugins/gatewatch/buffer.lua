-- What waits to be sent and what waits to be acknowledged, of one worker. Bounded; sheds the least important first.
--
-- Items are JSON text, encoded when they are pushed, so that `bytes` is what they really take. They lie in pages of
-- plain memory; the queues hold their refs.
-- An item gets its sequence number when it is first put into a frame: only what never left can be shed, and the
-- numbers have no holes. After a reconnect `rewind` goes back to the collector's cursor and the same items go out
-- again under the same numbers.
--
-- Limits: max_events and max_bytes count both what waits and what is in flight. Each item counts its text and
-- 64 bytes for its place. When an item does not fit, the oldest item of the least important class goes, but never
-- one more important than the newcomer: then the newcomer goes. What went is counted by class.


local ffi = require "ffi"
local pages = require "kong.plugins.gatewatch.pages"
local ring = require "kong.plugins.gatewatch.ring"


local copy = ffi.copy
local floor = math.floor
local ipairs = ipairs
local min = math.min
local next = next
local setmetatable = setmetatable


local PLACE_BYTES = 64 -- slots in two or three queues, and what a page loses at its end
local FLOOD_SAMPLE = 16
local COMMA, BRACKET, BRACE = 44, 93, 125
local FRAME_OVERHEAD_BYTES = 64 -- {"t":"batch","first":9007199254740991,"events":[]}

-- Least important first. Totals stand for many requests each, so they outlive single refusals.
local CLASSES = { "cache", "rate-limiting", "plugin", "totals", "cluster", "crud" }
local RANKS = {}
for rank, class in ipairs(CLASSES) do
  RANKS[class] = rank
end


local length_of = pages.length


local _M = { CLASSES = CLASSES }
local mt = { __index = _M }


function _M.new(max_events, max_bytes)
  local queues = {}
  for rank in ipairs(CLASSES) do
    queues[rank] = ring.new()
  end
  return setmetatable({
    max_events = max_events,
    max_bytes = max_bytes,
    pages = pages.new(),
    queues = queues,
    events = 0,
    bytes = 0,
    pending = 0,
    flooded = 0,
    refs = ring.new(), -- in flight, from `oldest` to `next - 1`
    ranks = ring.new(),
    oldest = 1, -- the lowest number still held
    next = 1, -- the number the next new item will get
    cursor = 1, -- the number the next frame begins with
    shed = {}, -- by class, since last asked
  }, mt)
end


local function pop(self, rank)
  self.pending = self.pending - 1
  return self.queues[rank]:pop()
end


local function first_waiting(self, from, to, step)
  for rank = from, to, step do
    if self.queues[rank].n > 0 then
      return rank
    end
  end
end


local function count_shed(self, class, n)
  self.shed[class] = (self.shed[class] or 0) + n
end


local function is_over(self, size)
  return self.events + 1 > self.max_events or self.bytes + size > self.max_bytes
end


local function shed_oldest(self, rank)
  local ref = pop(self, rank)
  self.bytes = self.bytes - length_of(ref) - PLACE_BYTES
  self.events = self.events - 1
  self.pages:free(ref)
  count_shed(self, CLASSES[rank], 1)
end


-- Take an item in. Returns false when it was shed itself.
function _M:push(class, text)
  local rank = RANKS[class] or RANKS.plugin
  local size = #text + PLACE_BYTES
  while is_over(self, size) do
    local victim = first_waiting(self, 1, rank, 1)
    if not victim then
      count_shed(self, CLASSES[rank], 1)
      return false
    end
    shed_oldest(self, victim)
  end
  local ref = self.pages:put(rank, text)
  if not ref then
    count_shed(self, CLASSES[rank], 1)
    return false
  end
  self.queues[rank]:push(ref)
  self.events = self.events + 1
  self.bytes = self.bytes + size
  self.pending = self.pending + 1
  return true
end


-- True when an item of this class and about this many bytes would only push another one of its class out. A flood need
-- not be encoded to be shed: one in FLOOD_SAMPLE is let through, so that what is kept still follows the time, and the
-- rest is counted.
function _M:is_flooded(class, size)
  if not is_over(self, size + PLACE_BYTES) then
    return false
  end
  local rank = RANKS[class]
  if first_waiting(self, 1, rank - 1, 1) then
    return false
  end
  self.flooded = self.flooded + 1
  return self.flooded % FLOOD_SAMPLE ~= 0
end


-- True when an item of this class and about this many bytes would find room now, or something to push out.
function _M:can_take(class, size)
  return not is_over(self, size + PLACE_BYTES) or first_waiting(self, 1, RANKS[class], 1) ~= nil
end


-- Count something as shed that never came here, such as what a stopped worker left behind.
function _M:note_shed(class, n)
  count_shed(self, RANKS[class] and class or "plugin", n)
end


-- What was shed since last asked, by class; nil when nothing was.
function _M:take_shed()
  local shed = self.shed
  if next(shed) == nil then
    return nil
  end
  self.shed = {}
  return shed
end


-- The ref of the item with this number; a waiting item gets it now. Nil when nothing waits.
local function ref_at(self, seq)
  if seq < self.next then
    return self.refs:at(seq - self.oldest)
  end
  local rank = first_waiting(self, #CLASSES, 1, -1)
  if not rank then
    return nil
  end
  local ref = pop(self, rank)
  self.refs:push(ref)
  self.ranks:push(rank)
  self.next = seq + 1
  return ref
end


-- The next batch: the number of its first item, how many items, and no less than the bytes that its frame takes. Nil
-- when there is nothing to send or no room in the window. A single item longer than max_bytes goes alone: the collector
-- says whether it takes it.
function _M:next_batch(window, max_events, max_bytes)
  local first = self.cursor
  local room = min(max_events, window - (first - self.oldest))
  local n, size = 0, FRAME_OVERHEAD_BYTES
  while n < room do
    local ref = ref_at(self, first + n)
    if not ref or (n > 0 and size + length_of(ref) + 1 > max_bytes) then
      break
    end
    n = n + 1
    size = size + length_of(ref) + 1
  end
  if n == 0 then
    return nil
  end
  self.cursor = first + n
  return first, n, size
end


-- Write the frame of a batch to `memory` (uint8_t *). Returns how many bytes it has.
function _M:write_batch(first, n, memory)
  local head = '{"t":"batch","first":' .. first .. ',"events":['
  local at = #head
  copy(memory, head, at)
  for i = first - self.oldest, first - self.oldest + n - 1 do
    at = at + self.pages:write(self.refs:at(i), memory + at)
    memory[at] = COMMA
    at = at + 1
  end
  memory[at - 1], memory[at] = BRACKET, BRACE -- instead of the last comma
  return at + 1
end


-- Everything up to and including `upto` is stored: forget it. Returns how many went.
function _M:ack(upto)
  local last = min(floor(upto), self.next - 1)
  local n = last - self.oldest + 1
  if n <= 0 then
    return 0
  end
  for _ = 1, n do
    local ref = self.refs:pop()
    self.bytes = self.bytes - length_of(ref) - PLACE_BYTES
    self.pages:free(ref)
    self.ranks:pop()
  end
  self.events = self.events - n
  self.oldest = last + 1
  if self.cursor < self.oldest then
    self.cursor = self.oldest
  end
  return n
end


-- Begin again at the collector's cursor. Returns false when it lies before what we still hold, or after what we
-- ever sent: the collector does not know this epoch, and `renumber` has to come first.
function _M:rewind(acked)
  if acked + 1 < self.oldest or acked >= self.next then
    return false
  end
  self:ack(acked)
  self.cursor = self.oldest
  return true
end


-- Give what is in flight new numbers from 1, for a new epoch.
function _M:renumber()
  self.oldest, self.cursor, self.next = 1, 1, self.refs.n + 1
end


-- Put another text in the place of the oldest item, which the collector will not take. Returns what was shed; nil when
-- there is nothing to replace.
function _M:replace_oldest(text)
  local ref = self.refs.n > 0 and self.pages:put(self.ranks:at(0), text)
  if not ref then
    return nil
  end
  local old = self.refs:at(0)
  self.bytes = self.bytes - length_of(old) + #text
  self.pages:free(old)
  self.refs:replace(0, ref)
  local class = CLASSES[self.ranks:at(0)]
  count_shed(self, class, 1)
  return class
end


local function take_out(self, ref)
  local text = self.pages:text(ref)
  self.pages:free(ref)
  return text
end


-- Empty the buffer, most important first. Calls take(class, text) for each item.
function _M:drain(take)
  while self.refs.n > 0 do
    take(CLASSES[self.ranks:pop()], take_out(self, self.refs:pop()))
  end
  for rank = #CLASSES, 1, -1 do
    while self.queues[rank].n > 0 do
      take(CLASSES[rank], take_out(self, pop(self, rank)))
    end
  end
  self.oldest, self.cursor = self.next, self.next
  self.events, self.bytes, self.pending = 0, 0, 0
end


return _M
