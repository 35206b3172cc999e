local pages = require "kong.plugins.gatewatch.pages"


local HALF = ("h"):rep(pages.PAGE_BYTES / 2)


describe("pages", function()
  it("give back the texts that were put in, of any bytes and length", function()
    local store = pages.new()
    local refs, texts = {}, {}
    for i, length in ipairs({ 0, 1, 700, 49152, pages.MAX_TEXT, 3 }) do
      texts[i] = (string.char(i * 40 % 256)):rep(length)
      refs[i] = store:put(i % 2 + 1, texts[i])
    end

    for i, text in ipairs(texts) do
      assert.equal(#text, pages.length(refs[i]))
      assert.is_true(text == store:text(refs[i]))
    end
  end)

  it("do not take a text that is longer than a ref can say", function()
    assert.is_nil(pages.new():put(1, ("x"):rep(pages.MAX_TEXT + 1)))
  end)

  it("are used again when what they held is forgotten, oldest first", function()
    local store = pages.new()
    local queue = {}
    for i = 1, 1000 do
      queue[#queue + 1] = store:put(1, ("%07d"):format(i) .. HALF:sub(1, 5000))
      if #queue > 50 then
        store:free(table.remove(queue, 1))
      end
    end

    assert.is_true(store.count <= 51 * 5007 / pages.PAGE_BYTES + 3, store.count .. " pages")
    for i, ref in ipairs(queue) do
      assert.equal(("%07d"):format(1000 - #queue + i), store:text(ref):sub(1, 7))
    end
  end)

  it("go back to the system when little is left", function()
    local store = pages.new()
    local refs = {}
    for i = 1, 200 do
      refs[i] = store:put(1, HALF)
    end
    assert.is_true(store.count >= 100)
    for i = 1, 200 do
      store:free(refs[i])
    end

    assert.is_true(store.count <= 5, store.count .. " pages")
    assert.equal("again", store:text(store:put(1, "again")))
  end)

  it("keep apart what different lanes hold, whichever leaves first", function()
    local store = pages.new()
    local kept = {}
    for i = 1, 300 do
      local lane = i % 3
      local ref = store:put(lane, lane .. ":" .. i .. ("x"):rep(1000))
      if lane == 0 then
        kept[i] = ref
      else
        store:free(ref)
      end
    end

    for i, ref in pairs(kept) do
      assert.equal("0:" .. i, store:text(ref):match("^(0:%d+)x"))
    end
    assert.is_true(store.count <= 10, store.count .. " pages")
  end)
end)
