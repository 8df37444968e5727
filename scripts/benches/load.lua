-- For wrk: sends one file as the body of a POST, over and over.
--
--     wrk -t1 -cC -dT -s load.lua URL -- FILE
--
-- What is told at the end: how many answers came, how many of them were not 200, and answers a second. The rate is taken
-- between the end of the first wave of C answers and the last answer: what was begun and not ended when the time was over
-- counts neither as work nor as time, which matters where an answer takes a second.
local ffi = require("ffi")
ffi.cdef [[
    typedef struct { long seconds; long nanoseconds; } moment;
    int clock_gettime(int clock, moment *now);
]]
local now = ffi.new("moment")

local threads = {}
function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    local file = assert(io.open(args[1], "rb"))
    wrk.method, wrk.body = "POST", file:read("*a")
    file:close()
    request_text = wrk.format()
    answers, failures, wave, began, ended = 0, 0, tonumber(args[2]), 0, 0
end

function request()
    return request_text
end

function response(status)
    answers = answers + 1
    if status ~= 200 then
        failures = failures + 1
    end
    ffi.C.clock_gettime(1, now)
    ended = tonumber(now.seconds) + tonumber(now.nanoseconds) / 1e9
    if answers <= wave then
        began = ended
    end
end

function done(summary)
    local thread = threads[1]
    local counted = thread:get("answers") - thread:get("wave")
    local time = thread:get("ended") - thread:get("began")
    local errors = summary.errors
    local rate = 0
    if counted > 0 and time > 0 then
        rate = counted / time
    end
    print(string.format("TOLD answers=%d failures=%d rate=%.6f", thread:get("answers"),
        thread:get("failures") + errors.connect + errors.read + errors.write + errors.timeout, rate))
end
