-- wrk's script: POST the lines of a file in turn; the figures as one line of JSON at the end.
--   wrk -s post.lua URL -- FILE
local requests, turn = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    requests[#requests + 1] =
      wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, line)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
