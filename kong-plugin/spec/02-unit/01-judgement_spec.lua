local cjson = require "cjson.safe"
local judgement = require "kong.plugins.gatewatch.judgement"


local function read_json(path)
  local file = assert(io.open(path, "r"))
  local text = file:read("*a")
  file:close()
  return assert(cjson.decode(text))
end


describe("judgement", function()
  for _, row in ipairs(read_json("spec/fixtures/judgements.json")) do
    local expected = row.expected ~= cjson.null and row.expected or nil

    it((expected or "nothing") .. ": " .. row.label, function()
      assert.equal(expected, judgement.judge(row))
    end)
  end
end)
