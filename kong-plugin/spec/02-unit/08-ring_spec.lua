local ring = require "kong.plugins.gatewatch.ring"


describe("ring", function()
  it("gives back what went in, in order, however it grows and wraps", function()
    local queue, pushed, popped = ring.new(), 0, 0

    for round = 1, 200 do
      for _ = 1, round % 37 * 3 do
        pushed = pushed + 1
        queue:push(pushed)
      end
      for _ = 1, math.min(queue.n, round % 23 * 4) do
        popped = popped + 1
        assert.equal(popped, queue:pop())
      end
      assert.equal(pushed - popped, queue.n)
      if queue.n > 0 then
        assert.equal(popped + 1, queue:at(0))
        assert.equal(pushed, queue:at(queue.n - 1))
      end
    end

    assert.is_true(queue.n > 256)
  end)

  it("does not grow while it never holds more", function()
    local queue = ring.new()

    for i = 1, 10000 do
      queue:push(i)
      queue:pop()
    end

    assert.equal(1, #queue.chunks)
  end)

  it("puts another value in a place", function()
    local queue = ring.new()
    queue:push("a")
    queue:push("b")
    queue:replace(1, "c")

    assert.equal("a", queue:pop())
    assert.equal("c", queue:pop())
  end)
end)
