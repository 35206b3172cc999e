-- A queue in fixed arrays that double in number when they are full.
--
-- A Lua table with ever rising keys would be rehashed again and again, and the garbage collector marks a table in one
-- step: both would hold the worker for up to a millisecond at ten thousand items, while requests wait. So the slots are
-- spread over chunks of 256.


local setmetatable = setmetatable


local CHUNK = 256


local _M = {}
local mt = { __index = _M }


local function new_chunk()
  local chunk = {}
  for i = 1, CHUNK do
    chunk[i] = false
  end
  return chunk
end


function _M.new()
  return setmetatable({ chunks = { new_chunk() }, capacity = CHUNK, head = 0, n = 0 }, mt)
end


-- The chunk and the slot of the value number `i` from the oldest.
local function place_of(self, i)
  local place = (self.head + i) % self.capacity
  local slot = place % CHUNK
  return self.chunks[(place - slot) / CHUNK + 1], slot + 1
end


local function grow(self)
  local chunks = {}
  for i = 0, self.n - 1 do
    local slot = i % CHUNK
    local target = (i - slot) / CHUNK + 1
    if slot == 0 then
      chunks[target] = new_chunk()
    end
    local chunk, from = place_of(self, i)
    chunks[target][slot + 1] = chunk[from]
  end
  self.capacity, self.head = self.capacity * 2, 0
  for i = #chunks + 1, self.capacity / CHUNK do
    chunks[i] = new_chunk()
  end
  self.chunks = chunks
end


function _M:push(value)
  if self.n == self.capacity then
    grow(self)
  end
  local chunk, slot = place_of(self, self.n)
  chunk[slot] = value
  self.n = self.n + 1
end


-- The oldest value, taken out; the queue must not be empty.
function _M:pop()
  local chunk, slot = place_of(self, 0)
  local value = chunk[slot]
  chunk[slot] = false
  self.head = (self.head + 1) % self.capacity
  self.n = self.n - 1
  return value
end


-- The value number `i` from the oldest, which is 0.
function _M:at(i)
  local chunk, slot = place_of(self, i)
  return chunk[slot]
end


function _M:replace(i, value)
  local chunk, slot = place_of(self, i)
  chunk[slot] = value
end


return _M
