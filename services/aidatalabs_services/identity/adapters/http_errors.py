"""Refusals over plain HTTP, in the one shape of all: google.rpc.Status as JSON, as the edge writes it."""

from __future__ import annotations

import json
import math

from aiohttp import web
from google.protobuf import json_format

from aidatalabs_services.runtime.errors import ServiceError, StatusCode
from aidatalabs_services.runtime.interceptors.statuses import packed_status

# The HTTP status of each gRPC code, as the transcoder maps them.
_STATUS = {
    StatusCode.CANCELLED: 499,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.DEADLINE_EXCEEDED: 504,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.ABORTED: 409,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.INTERNAL: 500,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.UNAUTHENTICATED: 401,
}


class RouteNotFound(ServiceError):
    """Nothing is served at this path with this verb."""

    code = StatusCode.NOT_FOUND
    reason = "ROUTE_NOT_FOUND"


def http_status(error: ServiceError) -> int:
    """The HTTP status of an error."""
    return _STATUS[error.code]


def error_response(error: ServiceError, request_id: str, trace_id: str = "") -> web.Response:
    """The answer for a refusal; never kept by a cache."""
    status = packed_status(error, request_id, trace_id)
    body = json_format.MessageToDict(status, preserving_proto_field_name=True)
    headers = {"Cache-Control": "no-store"}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return web.Response(
        text=text, content_type="application/json", status=http_status(error), headers=headers
    )
