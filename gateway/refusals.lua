-- The edge's refusals of gRPC calls get the ids of the call into their details. `around` knows, by the details
-- without ids, what stands around both ids in those with them, and what around the request id alone.
local around = AROUND

function envoy_on_response(handle)
  local headers = handle:headers()
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
