-- The load that wrk makes, and the check of every answer. One thread, so that the values of its writes only grow.
--
--   wrk -t1 ... -s load.lua URL -- DIALECT KIND LOW HIGH KEY CHECK
--
--   DIALECT  grid, or etcd (its JSON gateway)
--   KIND     get, post, or mixed: nine reads, then a write
--   LOW      what was read before: no read may give less, and the first write is LOW + 1
--   HIGH     the largest value ever sent before
--   KEY      etcd's key, in base64
--   CHECK    yes or no; no is there to measure what the check costs
--
-- Its last line is one JSON object. A read is right if it is a number from LOW to the largest value sent so far. With
-- one connection a request starts when the one before it has ended: then no read may be less than the one before, nor
-- than the last write that was acknowledged. (wrk does not say which connection an answer belongs to.)

local READS_TO_ONE_WRITE = 9
local FORMAT = "%.0f"

local dialect, kind, key
local low, high, next_value
local one_at_a_time
local right_text, right_status

-- Globals of the thread, because `done` asks for them by name.
ok, refused, failed, wrong, acknowledged, sent, first_wrong = 0, 0, 0, 0, 0, 0, ""

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
  local out = {}
  for at = 1, #text, 3 do
    local a, b, c = text:byte(at, at + 2)
    local bits = a * 65536 + (b or 0) * 256 + (c or 0)
    for place = 3, 0, -1 do
      local index = math.floor(bits / 64 ^ place) % 64 + 1
      out[#out + 1] = BASE64:sub(index, index)
    end
    if not b then out[#out - 1] = "=" end
    if not c then out[#out] = "=" end
  end
  return table.concat(out)
end

local function from_base64(text)
  local out = {}
  for at = 1, #text, 4 do
    local bits, bytes = 0, 3
    for place = 0, 3 do
      local letter = text:sub(at + place, at + place)
      if letter == "=" then bytes = bytes - 1 end
      bits = bits * 64 + (BASE64:find(letter, 1, true) or 1) - 1
    end
    for byte = 1, bytes do
      out[#out + 1] = string.char(math.floor(bits / 256 ^ (3 - byte)) % 256)
    end
  end
  return table.concat(out)
end

local function read_request()
  if dialect == "etcd" then
    return wrk.format("POST", "/v3/kv/range", nil, '{"key":"' .. key .. '"}')
  end
  return wrk.format("GET", "/")
end

local function write_request(value)
  local text = string.format(FORMAT, value)
  if dialect == "etcd" then
    return wrk.format("POST", "/v3/kv/put", nil, '{"key":"' .. key .. '","value":"' .. base64(text) .. '"}')
  end
  return wrk.format("POST", "/", nil, text)
end

local function number_in(text)
  return text:match("^%d+$") and tonumber(text)
end

-- What a body says: "read" and its value, "write", or nil for one that says nothing right.
local function meaning(body)
  if dialect == "etcd" then
    local encoded = body:match('"value":"([^"]*)"')
    if encoded then return "read", number_in(from_base64(encoded)) end
    if body:match('^{"header":{.*"revision":"%d+"') and not body:find('"more"', 1, true) then return "write" end
    return nil
  end
  local got, all = body:match("^Sent updates to (%d+)/(%d+) vaults$")
  if got then
    if 2 * got > tonumber(all) then return "write" end
    return nil
  end
  return "read", number_in(body)
end

local function is_right(body)
  local what, value = meaning(body)
  if what == "write" then
    if kind == "get" then return false end
    acknowledged = acknowledged + 1
    if one_at_a_time then low = high end
    return true
  end
  if what ~= "read" or kind == "post" or not value or value < low or value > high then return false end
  if one_at_a_time then low = value end
  return true
end

function setup(thread)
  the_thread = thread
end

function init(arguments)
  dialect, kind = arguments[1], arguments[2]
  low, high = tonumber(arguments[3]), tonumber(arguments[4])
  key, one_at_a_time = arguments[5], arguments[7] == "1"
  next_value = high
  if arguments[6] == "no" then response = nil end
  local read = read_request()
  local count = 0

  local function write()
    next_value = next_value + 1
    high, sent = next_value, sent + 1
    return write_request(next_value)
  end

  if kind == "get" then
    request = function() return read end
  elseif kind == "post" then
    request = write
  else
    request = function()
      count = count + 1
      if count % (READS_TO_ONE_WRITE + 1) == 0 then return write() end
      return read
    end
  end
end

function response(status, _, body)
  if status == 200 then
    -- Most answers of a run are alike: only what differs from the last right one is looked into. A write is always.
    if (kind == "get" and body == right_text) or is_right(body) then
      ok, right_text = ok + 1, body
    else
      wrong = wrong + 1
      if first_wrong == "" then first_wrong = body:sub(1, 80):gsub('[%c"\\]', "?") end
    end
  elseif status == 400 then
    refused = refused + 1
  else
    failed = failed + 1
  end
end

function done(summary, latency)
  local thread, errors = the_thread, summary.errors
  io.write(string.format(
    '\n{"requests": %d, "duration_us": %d, "p50_us": %.0f, "p99_us": %.0f, "ok": %d, "refused": %d, "failed": %d, '
      .. '"wrong": %d, "first_wrong": "%s", "acknowledged": %d, "sent": %d, "connect": %d, "read": %d, "write": %d, '
      .. '"timeout": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), thread:get("ok"),
    thread:get("refused"), thread:get("failed"), thread:get("wrong"), thread:get("first_wrong"),
    thread:get("acknowledged"), thread:get("sent"), errors.connect, errors.read, errors.write, errors.timeout))
end
