-- Texts in pages of plain memory, which the garbage collector neither counts nor visits.
--
-- Ten thousand waiting texts as Lua strings would make every request pay: each string that a request forms is looked
-- up among them, and each cycle of the collector passes them all. Measured, that was most of what the plugin cost
-- while its collector was away.
--
-- A lane takes the texts of one sort, which leave roughly in the order in which they came: so pages empty from the
-- oldest on, and an empty one is used again or goes back to the system. A text is known by one number, its `ref`.


local ffi = require "ffi"


local copy = ffi.copy
local floor = math.floor
local setmetatable = setmetatable
local text_of = ffi.string


ffi.cdef [[
  void *malloc(size_t size);
  void free(void *memory);
]]


local PAGE_BYTES = 65536
local MAX_TEXT = 65535 -- bytes; a ref has 16 bits for the length
local SPARE_PAGES = 4 -- kept for use again
local PAGE_STEP, PLACE_STEP = 2 ^ 32, 2 ^ 16 -- a ref is page * PAGE_STEP + place * PLACE_STEP + length


local page_at = ffi.typeof("uint8_t *")


local _M = { PAGE_BYTES = PAGE_BYTES, MAX_TEXT = MAX_TEXT }
local mt = { __index = _M }


function _M.new()
  return setmetatable({
    memory = {}, -- by page number; false where the number is free
    held = {}, -- texts in each page
    lane_of = {}, -- the lane of each page
    page_in = {}, -- the page that a lane is filling
    used_in = {}, -- and how many bytes of it
    spare = {}, -- numbers of empty pages with memory
    numbers = {}, -- numbers without memory
    count = 0, -- pages with memory
  }, mt)
end


-- The number of an empty page; nil when the system gives no memory.
local function take_page(self)
  local spare, numbers = self.spare, self.numbers
  if #spare > 0 then
    local page = spare[#spare]
    spare[#spare] = nil
    return page
  end
  local memory = ffi.C.malloc(PAGE_BYTES)
  if memory == nil then
    return nil
  end
  local page = numbers[#numbers] or #self.memory + 1
  numbers[#numbers] = nil
  self.memory[page] = ffi.gc(ffi.cast(page_at, memory), ffi.C.free)
  self.count = self.count + 1
  return page
end


local function give_page(self, page)
  local spare = self.spare
  if #spare < SPARE_PAGES then
    spare[#spare + 1] = page
    return
  end
  ffi.C.free(ffi.gc(self.memory[page], nil))
  self.memory[page] = false
  self.numbers[#self.numbers + 1] = page
  self.count = self.count - 1
end


local function open_page(self, lane)
  local page = take_page(self)
  if page then
    self.held[page], self.lane_of[page] = 0, lane
    self.page_in[lane], self.used_in[lane] = page, 0
  end
  return page
end


-- A function of its own and without a branch, so that it is always entered compiled: interpreted, LuaJIT's calls to C
-- take fifty times as long.
local function put_at(memory, place, text, length)
  copy(memory + place, text, length)
end


-- Keep a text. Returns its ref; nil when it is longer than MAX_TEXT or there is no memory.
function _M:put(lane, text)
  local length = #text
  if length > MAX_TEXT then
    return nil
  end
  local page, place = self.page_in[lane], self.used_in[lane]
  if not page or place + length > PAGE_BYTES then
    local full = page
    page, place = open_page(self, lane), 0
    if not page then
      return nil
    elseif full and self.held[full] == 0 then
      give_page(self, full)
    end
  end
  put_at(self.memory[page], place, text, length)
  self.held[page] = self.held[page] + 1
  self.used_in[lane] = place + length
  return page * PAGE_STEP + place * PLACE_STEP + length
end


-- How many bytes a text has.
function _M.length(ref)
  return ref % PLACE_STEP
end


-- Copy a text to some memory. Returns its length.
function _M:write(ref, target)
  local page = floor(ref / PAGE_STEP)
  local length = ref % PLACE_STEP
  local place = (ref - page * PAGE_STEP - length) / PLACE_STEP
  copy(target, self.memory[page] + place, length)
  return length
end


function _M:text(ref)
  local page = floor(ref / PAGE_STEP)
  local length = ref % PLACE_STEP
  local place = (ref - page * PAGE_STEP - length) / PLACE_STEP
  return text_of(self.memory[page] + place, length)
end


-- Forget a text. Its ref must not be used again.
function _M:free(ref)
  local page = floor(ref / PAGE_STEP)
  local held = self.held[page] - 1
  self.held[page] = held
  if held > 0 then
    return
  end
  local lane = self.lane_of[page]
  if self.page_in[lane] == page then
    self.used_in[lane] = 0
  else
    give_page(self, page)
  end
end


return _M
