-- A queue in a fixed array that doubles when it is full. A Lua table with ever rising keys would be rehashed again and
-- again, a millisecond each time at ten thousand items, while requests wait.


local setmetatable = setmetatable


local SMALLEST = 64


local _M = {}
local mt = { __index = _M }


function _M.new()
  local slots = {}
  for i = 1, SMALLEST do
    slots[i] = false
  end
  return setmetatable({ slots = slots, capacity = SMALLEST, head = 0, n = 0 }, mt)
end


local function grow(self)
  local slots = {}
  for i = 0, self.n - 1 do
    slots[i + 1] = self.slots[(self.head + i) % self.capacity + 1]
  end
  for i = self.n + 1, self.capacity * 2 do
    slots[i] = false
  end
  self.slots, self.capacity, self.head = slots, self.capacity * 2, 0
end


function _M:push(value)
  if self.n == self.capacity then
    grow(self)
  end
  self.slots[(self.head + self.n) % self.capacity + 1] = value
  self.n = self.n + 1
end


-- The oldest value, taken out; the queue must not be empty.
function _M:pop()
  local place = self.head + 1
  local value = self.slots[place]
  self.slots[place] = false
  self.head = place % self.capacity
  self.n = self.n - 1
  return value
end


-- The value number `i` from the oldest, which is 0.
function _M:at(i)
  return self.slots[(self.head + i) % self.capacity + 1]
end


function _M:replace(i, value)
  self.slots[(self.head + i) % self.capacity + 1] = value
end


return _M
