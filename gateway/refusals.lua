-- The edge's refusals of gRPC calls get the request id into their details. `around` knows, by the details without
-- an id, what stands before and behind the id in those with it.
local around = AROUND

function envoy_on_response(handle)
  local headers = handle:headers()
  local details = headers:get("grpc-status-details-bin")
  local parts = details and around[details]
  local id = parts and headers:get("x-request-id")
  if id and #id == 36 then
    headers:replace("grpc-status-details-bin", parts[1] .. handle:base64Escape(id) .. parts[2])
  end
end
