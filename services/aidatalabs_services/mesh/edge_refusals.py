"""What the edge itself refuses, in the services' own error shape.

Envoy answers some requests before any service sees them. `mappers` turns those answers into the body that the
services would send: `google.rpc.Status` as JSON over REST, status details over native gRPC.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from google.protobuf.any_pb2 import Any as PackedAny
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

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

    surfaces: tuple[str, ...] = ("grpc", "rest")
    """Who gets this answer; a missing route is another reason to each."""


REFUSALS = (
    Refusal(401, 16, "TOKEN_EXPIRED", "The token has expired; get a new one.", "Jwt_is_expired"),
    Refusal(401, 16, "TOKEN_MISSING", "Send a token: Authorization: Bearer <token>.", "Jwt_is_missing"),
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
    Refusal(408, 4, "DEADLINE_EXCEEDED", "The request did not arrive in time."),
    Refusal(413, 8, "REQUEST_TOO_LARGE", "The body is too large; send several smaller requests."),
    Refusal(426, 3, "BAD_HTTP_REQUEST", "Use HTTP/1.1 or HTTP/2."),
    Refusal(429, 8, "OVERLOADED", "Too many requests; wait a moment and try again.", retry_seconds=1),
    Refusal(431, 3, "BAD_HTTP_REQUEST", "The headers are too large."),
    Refusal(502, 14, "SERVICE_UNAVAILABLE", "The service did not answer; try again.", "", 503, 1),
    Refusal(503, 14, "SERVICE_UNAVAILABLE", "The service is down or starting; try again.", retry_seconds=1),
    Refusal(504, 4, "DEADLINE_EXCEEDED", "The answer was not complete in time; work on it was stopped."),
)

_RUNTIME_KEY = "aidatalabs.unused"
_STATUS_DETAILS = "grpc-status-details-bin"


def mappers() -> list[dict[str, object]]:
    """The `mappers` of Envoy's `local_reply_config`, native gRPC and REST for each refusal."""
    makers = {"grpc": _grpc_mapper, "rest": _rest_mapper}
    return [makers[surface](refusal) for refusal in REFUSALS for surface in refusal.surfaces]


def _matching(refusal: Refusal, *, grpc: bool) -> dict[str, object]:
    comparison = {"op": "EQ", "value": {"default_value": refusal.http_status, "runtime_key": _RUNTIME_KEY}}
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


def _status(refusal: Refusal) -> status_pb2.Status:
    details = [PackedAny(), PackedAny()] if refusal.retry_seconds else [PackedAny()]
    details[0].Pack(error_details_pb2.ErrorInfo(domain=DOMAIN, reason=refusal.reason))
    if refusal.retry_seconds:
        delay = Duration(seconds=refusal.retry_seconds)
        details[1].Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status_pb2.Status(code=refusal.grpc_code, message=refusal.message, details=details)


def _grpc_mapper(refusal: Refusal) -> dict[str, object]:
    # A gRPC client refuses details whose message differs from grpc-message, so the body is that message.
    details = base64.b64encode(_status(refusal).SerializeToString()).decode().rstrip("=")
    mapper = {
        "filter": _matching(refusal, grpc=True),
        "body": {"inline_string": refusal.message},
        "body_format_override": {"text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"}},
        "headers_to_add": [
            _header(_STATUS_DETAILS, details),
            _header("grpc-status", str(refusal.grpc_code)),
        ],
    }
    if refusal.answer_status:
        mapper["status_code"] = refusal.answer_status
    return mapper


def _rest_mapper(refusal: Refusal) -> dict[str, object]:
    info: dict[str, object] = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": refusal.reason,
        "domain": DOMAIN,
        "metadata": {"request_id": "%REQ(X-REQUEST-ID)%"},
    }
    details: list[dict[str, object]] = [info]
    if refusal.retry_seconds:
        retry: dict[str, object] = {
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retry_delay": f"{refusal.retry_seconds}s",
        }
        details.append(retry)
    message = f"{refusal.message}: %LOCAL_REPLY_BODY%" if refusal.tells_cause else refusal.message
    mapper: dict[str, object] = {
        "filter": _matching(refusal, grpc=False),
        "body_format_override": {
            "content_type": "application/json",
            # A request refused before it got an id has none to tell.
            "omit_empty_values": True,
            "json_format": {"code": refusal.grpc_code, "message": message, "details": details},
        },
    }
    if refusal.retry_seconds:
        mapper["headers_to_add"] = [_header("retry-after", str(refusal.retry_seconds))]
    if refusal.answer_status:
        mapper["status_code"] = refusal.answer_status
    return mapper


def _header(key: str, value: str) -> dict[str, object]:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
