"""What the edge itself refuses, in the services' own error shape.

Envoy answers some requests before any service sees them. `mappers` turns those answers into the body that the
services would send: `google.rpc.Status` as JSON over REST, status details over native gRPC.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from google.protobuf.any_pb2 import Any as PackedAny
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from aidatalabs_services.mesh import edge_rules, edge_tracing
from aidatalabs_services.mesh.edge_config import EdgeLimits

DOMAIN = "aidatalabs"


@dataclass(frozen=True)
class Refusal:
    """One kind of answer the edge gives by itself."""

    http_status: int
    """Status that Envoy chose."""

    grpc_code: int
    """Code that native gRPC clients see, and `code` in the JSON body."""

    reason: str
    """A reason of the contract's catalogue."""

    message: str
    """What happened and what to do next."""

    details_contain: str = ""
    """Only answers whose Envoy response code details contain this; empty takes all of the status."""

    answer_status: int = 0
    """HTTP status to answer with where Envoy's own misleads; 0 keeps it."""

    retry_seconds: int = 0
    """RetryInfo; 0 where waiting does not help."""

    tells_cause: bool = False
    """Adds Envoy's own words over REST, where they name the field that does not fit."""

    keeps_body: bool = False
    """The body over REST is a service's own refusal and stays as it is."""

    limit: str = ""
    """Field of EdgeLimits that was passed; its value stands in the metadata as `limit_bytes`."""

    and_above: bool = False
    """Statuses above this one get the same answer, where no refusal before named them."""

    surfaces: tuple[str, ...] = ("grpc", "rest")
    """Who gets this answer; a missing route is another reason to each."""


_SESSION_INVALID = "The browser session is over; sign in again."
_CROSS_SITE = "The session cookie works for our own pages only; use a token."
_NO_KEYS = "Tokens cannot be checked at this moment; try again."
_LONG_URI = "The URL is too long; send the same fields with POST."
_NOT_JSON = "Send the body as JSON, with Content-Type: application/json."
_NO_TYPE = "Nothing that the Accept header takes is sent here: application/json, image/png, image/svg+xml."
_DENIED = "ext_authz_denied"

REFUSALS = (
    # What identity says about a session cookie is its own over REST; gRPC clients get the same reason.
    Refusal(401, 16, "SESSION_INVALID", _SESSION_INVALID, _DENIED, keeps_body=True),
    Refusal(403, 7, "CROSS_SITE_REQUEST", _CROSS_SITE, _DENIED, keeps_body=True),
    Refusal(403, 3, "URI_TOO_LONG", _LONG_URI, edge_rules.URI_TOO_LONG, 414, limit="uri_bytes"),
    Refusal(403, 3, "CONTENT_TYPE_NOT_SUPPORTED", _NOT_JSON, edge_rules.CONTENT_TYPE, 415),
    Refusal(401, 16, "TOKEN_EXPIRED", "The token has expired; get a new one.", "Jwt_is_expired"),
    Refusal(401, 16, "TOKEN_MISSING", "Send a token: Authorization: Bearer <token>.", "Jwt_is_missing"),
    # An edge that is newer than the last answer of identity has no keys yet: that says nothing of the token.
    Refusal(401, 14, "SERVICE_UNAVAILABLE", _NO_KEYS, "Jwks_remote_fetch_is_failed", 503, 1),
    Refusal(401, 16, "TOKEN_INVALID", "The token was not issued for this API."),
    # A token for another audience is no better than none.
    Refusal(403, 16, "TOKEN_INVALID", "The token was not issued for this API.", "jwt_authn", 401),
    Refusal(400, 3, "BAD_HTTP_REQUEST", "The path has escaped slashes or other such parts.", "path_norm"),
    Refusal(400, 3, "BAD_HTTP_REQUEST", "The request does not fit the method", "grpc_json", tells_cause=True),
    Refusal(400, 3, "BAD_HTTP_REQUEST", "The HTTP request is malformed; check its headers and body."),
    Refusal(
        404,
        5,
        "ROUTE_NOT_FOUND",
        "No endpoint has this path and verb; see the API reference.",
        surfaces=("rest",),
    ),
    Refusal(
        404,
        12,
        "METHOD_NOT_FOUND",
        "No service of the contract has this method; reflection lists them.",
        surfaces=("grpc",),
    ),
    Refusal(406, 3, "ACCEPT_NOT_SUPPORTED", _NO_TYPE, surfaces=("rest",)),
    Refusal(408, 4, "DEADLINE_EXCEEDED", "The request did not arrive in time."),
    Refusal(
        413,
        8,
        "REQUEST_TOO_LARGE",
        "The body is too large; send several smaller requests.",
        limit="rest_body_bytes",
    ),
    Refusal(426, 3, "BAD_HTTP_REQUEST", "Use HTTP/1.1 or HTTP/2."),
    Refusal(429, 8, "OVERLOADED", "Too many requests; wait a moment and try again.", retry_seconds=1),
    Refusal(431, 3, "BAD_HTTP_REQUEST", "The headers are too large."),
    Refusal(502, 14, "SERVICE_UNAVAILABLE", "The service did not answer; try again.", "", 503, 1),
    Refusal(503, 14, "SERVICE_UNAVAILABLE", "The service is down or starting; try again.", retry_seconds=1),
    Refusal(504, 4, "DEADLINE_EXCEEDED", "The answer was not complete in time; work on it was stopped."),
    Refusal(501, 3, "BAD_HTTP_REQUEST", "The body has an encoding that is not known.", "", 400),
    Refusal(500, 13, "INTERNAL", "Something went wrong on our side.", and_above=True),
    Refusal(400, 3, "BAD_HTTP_REQUEST", "The HTTP request cannot be taken.", and_above=True),
)

_RUNTIME_KEY = "aidatalabs.unused"
_STATUS_DETAILS = "grpc-status-details-bin"
_REQUEST_ID = "%REQ(X-REQUEST-ID)%"
_TRACE = {"traceresponse": edge_tracing.TOLD_ANSWER}
_UNQUOTED = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_ANY_ID = "00000000-0000-4000-8000-000000000000"
_ANY_TRACE = "0" * 32


def mappers(limits: EdgeLimits) -> list[dict[str, object]]:
    """The `mappers` of Envoy's `local_reply_config`, native gRPC and REST for each refusal."""
    makers = {"grpc": _grpc_mapper, "rest": _rest_mapper}
    return [makers[surface](refusal, limits) for refusal in REFUSALS for surface in refusal.surfaces]


def lua_table() -> str:
    """For each refusal of gRPC its details, and what stands around the ids in those with them: Lua.

    Three texts around both ids, then two around the request id alone.
    """
    entries = []
    for refusal in REFUSALS:
        if "grpc" in refusal.surfaces:
            around = (*_around(refusal, _ANY_ID, _ANY_TRACE), *_around(refusal, _ANY_ID))
            parts = ", ".join(map(_lua_text, around))
            entries.append(f"  [{json.dumps(_details(refusal))}] = {{{parts}}},")
    return "{\n" + "\n".join(dict.fromkeys(entries)) + "\n}"


def lua_too_many() -> str:
    """The headers of an answer that says OVERLOADED to a gRPC client: Lua."""
    refusal = next(one for one in REFUSALS if one.reason == "OVERLOADED")
    headers = {
        "grpc-status": str(refusal.grpc_code),
        "grpc-message": quote(refusal.message, safe=_UNQUOTED),
        _STATUS_DETAILS: _details(refusal),
    }
    return (
        "{" + ", ".join(f"[{json.dumps(key)}] = {json.dumps(value)}" for key, value in headers.items()) + "}"
    )


def _around(refusal: Refusal, *ids: str) -> list[bytes]:
    named = dict(zip(("request_id", "trace_id"), ids, strict=False))
    rest, parts = _status(refusal, named).SerializeToString(deterministic=True), []
    for one in ids:
        before, _, rest = rest.partition(one.encode())
        parts.append(before)
    return [*parts, rest]


def _lua_text(text: bytes) -> str:
    """Bytes as a literal of Lua."""
    return '"' + "".join(f"\\{byte:03d}" for byte in text) + '"'


def _matching(refusal: Refusal, *, grpc: bool) -> dict[str, object]:
    operator = "GE" if refusal.and_above else "EQ"
    comparison = {
        "op": operator,
        "value": {"default_value": refusal.http_status, "runtime_key": _RUNTIME_KEY},
    }
    filters: list[dict[str, object]] = [
        {"status_code_filter": {"comparison": comparison}},
        _native_grpc() if grpc else _rest(),
    ]
    if refusal.details_contain:
        filters.append(
            {
                "extension_filter": {
                    "name": "envoy.access_loggers.extension_filters.cel",
                    "typed_config": {
                        "@type": "type.googleapis.com/"
                        "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                        "expression": f'response.code_details.contains("{refusal.details_contain}")',
                    },
                }
            }
        )
    return {"and_filter": {"filters": filters}}


def _native_grpc() -> dict[str, object]:
    return {"and_filter": {"filters": [_content_type_is_grpc(True), _was_transcoded(False)]}}


def _rest() -> dict[str, object]:
    # A transcoded request carries gRPC's content type by now; its original path tells it from a native one.
    return {"or_filter": {"filters": [_content_type_is_grpc(False), _was_transcoded(True)]}}


def _content_type_is_grpc(wanted: bool) -> dict[str, object]:
    header: dict[str, object] = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    if not wanted:
        header |= {"invert_match": True, "treat_missing_header_as_empty": True}
    return {"header_filter": {"header": header}}


def _was_transcoded(wanted: bool) -> dict[str, object]:
    return {"header_filter": {"header": {"name": "x-envoy-original-path", "present_match": wanted}}}


def _status(refusal: Refusal, metadata: Mapping[str, str]) -> status_pb2.Status:
    details = [PackedAny(), PackedAny()] if refusal.retry_seconds else [PackedAny()]
    details[0].Pack(
        error_details_pb2.ErrorInfo(domain=DOMAIN, reason=refusal.reason, metadata=metadata),
        deterministic=True,
    )
    if refusal.retry_seconds:
        delay = Duration(seconds=refusal.retry_seconds)
        details[1].Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status_pb2.Status(code=refusal.grpc_code, message=refusal.message, details=details)


def _details(refusal: Refusal) -> str:
    return base64.b64encode(_status(refusal, {}).SerializeToString()).decode().rstrip("=")


def _grpc_mapper(refusal: Refusal, _limits: EdgeLimits) -> dict[str, object]:
    # A gRPC client refuses details whose message differs from grpc-message. Without a body the answer is a
    # status alone for gRPC-Web, too.
    headers = {
        "grpc-message": quote(refusal.message, safe=_UNQUOTED),
        _STATUS_DETAILS: _details(refusal),
        "grpc-status": str(refusal.grpc_code),
        "x-request-id": _REQUEST_ID,
        **_TRACE,
    }
    # 200 is what Envoy gives native gRPC by itself; gRPC-Web would get the HTTP status, and lose the details.
    return {
        "filter": _matching(refusal, grpc=True),
        "status_code": 200,
        "body": {"inline_string": ""},
        "body_format_override": {"text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"}},
        "headers_to_add": [header(key, value) for key, value in headers.items()],
    }


def _rest_mapper(refusal: Refusal, limits: EdgeLimits) -> dict[str, object]:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff", **_TRACE}
    if refusal.retry_seconds:
        headers["retry-after"] = str(refusal.retry_seconds)
    status: dict[str, object] = {"status_code": refusal.answer_status} if refusal.answer_status else {}
    return {
        "filter": _matching(refusal, grpc=False),
        "body_format_override": {"content_type": "application/json", **_rest_body(refusal, limits)},
        "headers_to_add": [header(key, value) for key, value in headers.items()],
        **status,
    }


def _rest_body(refusal: Refusal, limits: EdgeLimits) -> dict[str, object]:
    if refusal.keeps_body:
        return {"text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"}}
    metadata = {"request_id": _REQUEST_ID, "trace_id": edge_tracing.TOLD_ID}
    if refusal.limit:
        metadata["limit_bytes"] = str(getattr(limits, refusal.limit))
    info: dict[str, object] = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": refusal.reason,
        "domain": DOMAIN,
        "metadata": metadata,
    }
    details: list[dict[str, object]] = [info]
    if refusal.retry_seconds:
        retry: dict[str, object] = {
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retry_delay": f"{refusal.retry_seconds}s",
        }
        details.append(retry)
    message = f"{refusal.message}: %LOCAL_REPLY_BODY%" if refusal.tells_cause else refusal.message
    # A request refused before it got an id has none to tell.
    return {
        "omit_empty_values": True,
        "json_format": {"code": refusal.grpc_code, "message": message, "details": details},
    }


def header(key: str, value: str) -> dict[str, object]:
    """A header as Envoy sets it in an answer, in place of one that is there."""
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
