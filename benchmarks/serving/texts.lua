-- Requests for wrk: the texts of a file of JSON strings, one on each line. What came out is
-- printed as JSON, in microseconds.
--   wrk ... -s texts.lua URL -- FILE [different]
-- "different" puts a word before each text that no other request has.

local texts, different, count = {}, false, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    texts[#texts + 1] = line
  end
  different = arguments[2] == "different"
  math.randomseed(os.time())
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  count = count + 1
  local text = texts[count % #texts + 1]
  if different then
    text = '"w' .. count .. string.format("x%d ", math.random(1, 1e9)) .. text:sub(2)
  end
  return wrk.format(nil, nil, nil, '{"texts": [' .. text .. "]}")
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '\n{"requests": %d, "failed": %d, "microseconds": %d, "p50": %d, "p99": %d}\n',
    summary.requests, failed, summary.duration, latency:percentile(50), latency:percentile(99)
  ))
end
