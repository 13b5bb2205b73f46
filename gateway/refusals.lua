-- The edge's refusals of gRPC calls get the ids of the call into their details. `around` knows, by the details
-- without ids, what stands around both ids in those with them, and what around the request id alone.
local around = AROUND
local too_many = TOO_MANY

-- A service that is flooded leaves calls lying until gRPC itself ends them as CANCELLED, without a word.
local function name_a_silent_end(headers)
  if headers:get("grpc-status") == "1" and not headers:get("grpc-status-details-bin") then
    for name, value in pairs(too_many) do
      headers:replace(name, value)
    end
  end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  name_a_silent_end(headers)
  local details = headers:get("grpc-status-details-bin")
  local parts = details and around[details]
  local id = parts and headers:get("x-request-id")
  if not id or #id ~= 36 then
    return
  end
  local trace = headers:get("traceresponse")
  local whole = parts[4] .. id .. parts[5]
  if trace and #trace == 55 then
    whole = parts[1] .. id .. parts[2] .. trace:sub(4, 35) .. parts[3]
  end
  headers:replace("grpc-status-details-bin", (handle:base64Escape(whole):gsub("=+$", "")))
end
