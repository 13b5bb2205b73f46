-- A question asked with `Accept: image/…` is answered by its picture: the request goes to the method that draws it.
-- What is accepted is read as RFC 9110 says (q-values, the most specific range counts, equal ones in our order);
-- what is no media range is left aside, and where nothing of ours is accepted the edge refuses with 406.
local asked = "/api/v1/agents/query"
local offered = {
  {"application", "json"},
  {"image", "png", "/api/v1/agents/charts/PNG"},
  {"image", "svg+xml", "/api/v1/agents/charts/SVG"},
}

-- The weight of a range, from 0 to 1; nil for what is none.
local function weight(parameters)
  local q = 1
  for name, value in parameters:gmatch(";%s*([^=;%s]+)%s*=%s*([^;%s]*)") do
    if name:lower() == "q" then
      local number = tonumber(value:match("^[01]%.?%d?%d?%d?$"))
      if not number or number > 1 then
        return nil
      end
      q = number
    end
  end
  return q
end

-- How much one of ours is accepted, and how exactly it is named; 0 and nil where it is not.
local function accepted(accept, kind, subkind)
  local best, exact = 0, nil
  for range in accept:gmatch("[^,]+") do
    local one, two, parameters = range:lower():match("^%s*([^/;%s]+)/([^/;%s]+)%s*(.*)$")
    local q = one and weight(parameters)
    local named = one == kind and two == subkind and 2 or one == kind and two == "*" and 1
      or one == "*" and two == "*" and 0
    if q and named and (not exact or named > exact) then
      best, exact = q, named
    end
  end
  return best, exact
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local accept = headers:get("accept")
  if headers:get(":method") ~= "POST" or headers:get(":path"):match("^[^?]*") ~= asked then
    return
  end
  if not accept or not accept:find("[^/%s]/[^/%s]") then
    return
  end
  local q, exact, path, any = 0, -1, nil, false
  for _, ours in ipairs(offered) do
    local its, named = accepted(accept, ours[1], ours[2])
    if its > 0 and (its > q or (its == q and named > exact)) then
      q, exact, path, any = its, named, ours[3], true
    end
  end
  if not any then
    handle:respond({[":status"] = "406"}, "")
  elseif path then
    headers:replace(":path", path .. (headers:get(":path"):match("%?.*$") or ""))
  end
end
