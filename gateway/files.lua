-- Files over REST get their length, which the service tells beforehand: a transfer that was cut is then seen as
-- such by every client. Over HTTP/1.1 the end of the connection has to tell it, as the next answer would follow
-- there. Native gRPC calls keep the service's header and see the status.
--
-- No answer names a trace that there is not: a client's traceparent that breaks the specification begins none. And
-- over REST the message stands in the body alone, or Envoy would copy it into its span.
function envoy_on_response(handle)
  local headers = handle:headers()
  local trace = headers:get("traceresponse")
  if trace and #trace ~= 55 then
    headers:remove("traceresponse")
  end
  local kind = headers:get("content-type") or ""
  if kind:find("^application/grpc") then
    return
  end
  -- The edge's own refusals of gRPC-Web have no type yet, and need theirs.
  if kind:find("^application/json") then
    headers:remove("grpc-message")
  end
  local length = headers:get("x-aidatalabs-content-length")
  if not length then
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
