-- Files over REST get their length, which the service tells beforehand: a transfer that was cut is then seen as
-- such by every client. Over HTTP/1.1 the end of the connection has to tell it, as the next answer would follow
-- there. Native gRPC calls keep the service's header and see the status.
function envoy_on_response(handle)
  local headers = handle:headers()
  local length = headers:get("x-aidatalabs-content-length")
  if not length or (headers:get("content-type") or ""):find("^application/grpc") then
    return
  end
  headers:remove("x-aidatalabs-content-length")
  if headers:get(":status") == "200" and length:find("^%d+$") then
    headers:replace("content-length", length)
    if handle:streamInfo():protocol() == "HTTP/1.1" then
      handle:streamInfo():drainConnectionUponCompletion()
    end
  end
end
