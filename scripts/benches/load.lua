-- For wrk: sends one file as the body of a POST, over and over, and ends when all that it has sent is answered.
--
--     wrk -t1 -cC -dT -s load.lua URL -- FILE C SECONDS
--
-- Nothing new is sent after SECONDS; T is the end for a server that does not answer. What is told at the end: how many answers
-- came, how many of them were not 200, how many connections had their last one, and answers a second. The rate is taken between
-- the end of the first wave of C answers and the last answer within SECONDS.
local ffi = require("ffi")
ffi.cdef [[
    typedef struct { long seconds; long nanoseconds; } moment;
    int clock_gettime(int clock, moment *now);
    int getpid(void);
    int kill(int process, int signal);
]]
local moment = ffi.new("moment")
local INTERRUPT, FOREVER = 2, 3600000

local function now()
    ffi.C.clock_gettime(1, moment)
    return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

local threads = {}
function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    local file = assert(io.open(args[1], "rb"))
    wrk.method, wrk.body = "POST", file:read("*a")
    file:close()
    request_text = wrk.format()
    wave, last = tonumber(args[2]), now() + tonumber(args[3])
    answers, counted, failures, idle, began, ended = 0, 0, 0, 0, 0, 0
end

-- Asked before each request of a connection: milliseconds to wait.
function delay()
    if now() < last then
        return 0
    end
    idle = idle + 1
    if idle == wave then
        -- wrk sleeps until its time is over, or until this.
        ffi.C.kill(ffi.C.getpid(), INTERRUPT)
    end
    return FOREVER
end

function request()
    return request_text
end

function response(status)
    answers = answers + 1
    if status ~= 200 then
        failures = failures + 1
    end
    local at = now()
    if answers <= wave then
        began, ended = at, at
    elseif at < last then
        counted, ended = counted + 1, at
    end
end

function done(summary)
    local thread = threads[1]
    local time = thread:get("ended") - thread:get("began")
    local errors = summary.errors
    local rate = 0
    if time > 0 then
        rate = thread:get("counted") / time
    end
    print(string.format("TOLD answers=%d failures=%d idle=%d rate=%.6f", thread:get("answers"),
        thread:get("failures") + errors.connect + errors.read + errors.write + errors.timeout, thread:get("idle"), rate))
end
