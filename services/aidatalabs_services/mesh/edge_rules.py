"""Which requests the edge looks at more closely: conditions of its filters, as Envoy's own plain data."""

from __future__ import annotations

import re

EXPOSED_HEADERS = (
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "x-request-id",
    "traceresponse",
    "retry-after",
    "content-disposition",
)
"""Answer headers that pages of an allowed origin may read."""

FOREIGN_HEADERS = r"x-(forwarded|real|original|remote|user|tenant|auth|jwt|role|identity|peer|spiffe).*"
"""Request headers in which proxies tell services who calls. Ours believe the token alone."""

URI_TOO_LONG = "uri_too_long"
CONTENT_TYPE = "content_type"
"""Names of the request rules, told by Envoy in the details of the refusal."""

_JSON = r'(?i)application/json[ \t]*(;[ \t]*charset="?utf-8"?[ \t]*)?'
_BODY_METHODS = ("POST", "PUT", "PATCH")
_WITH_SESSION = ("/api/", "/aidatalabs.", "/grpc.reflection.")
_HEADER_INPUT = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
_SKIP = "type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter"

Data = dict[str, object]


def request_rules(uri_bytes: int) -> Data:
    """RBAC rules that refuse a REST request by its form: a URL over `uri_bytes`, a body that is not JSON.

    A page of another site can send a form or plain text without asking, JSON only with our leave.
    """
    rest: Data = {"url_path": {"path": {"prefix": "/api/"}}}
    is_json: Data = _has_header("content-type", {"safe_regex": {"regex": _JSON}})
    with_body: Data = {
        "or_rules": {"rules": [_has_header(":method", {"exact": method}) for method in _BODY_METHODS]}
    }
    anybody = [{"any": True}]
    return {
        "action": "DENY",
        "policies": {
            URI_TOO_LONG: {
                "permissions": [rest],
                "principals": anybody,
                "condition": _path_longer_than(uri_bytes),
            },
            CONTENT_TYPE: {
                "permissions": [{"and_rules": {"rules": [rest, with_body, {"not_rule": is_json}]}}],
                "principals": anybody,
            },
        },
    }


def session_matcher(cookie: str) -> Data:
    """Skips the session filter but for calls that bring the cookie named `cookie` and no Authorization."""
    present = rf"(.*;[ \t]*)?{re.escape(cookie)}=.*"
    asked: Data = {
        "and_matcher": {
            "predicate": [
                _matches("cookie", _regex(present)),
                {"not_matcher": _matches("authorization", _regex(".*"))},
                {
                    "or_matcher": {
                        "predicate": [_matches(":path", {"prefix": path}) for path in _WITH_SESSION]
                    }
                },
            ]
        }
    }
    skip: Data = {"action": {"name": "skip", "typed_config": {"@type": _SKIP}}}
    return {"matcher_list": {"matchers": [{"predicate": {"not_matcher": asked}, "on_match": skip}]}}


def _has_header(name: str, match: Data) -> Data:
    return {"header": {"name": name, "string_match": match}}


def _regex(regex: str) -> Data:
    return {"safe_regex": {"google_re2": {}, "regex": regex}}


def _matches(header: str, value_match: Data) -> Data:
    typed: Data = {"@type": _HEADER_INPUT, "header_name": header}
    return {
        "single_predicate": {
            "input": {"name": header, "typed_config": typed},
            "value_match": value_match,
        }
    }


def _path_longer_than(count: int) -> Data:
    """The CEL expression `size(request.path) > count`; its path has the query with it."""
    path: Data = {"select_expr": {"operand": {"ident_expr": {"name": "request"}}, "field": "path"}}
    size: Data = {"call_expr": {"function": "size", "args": [path]}}
    return {"call_expr": {"function": "_>_", "args": [size, {"const_expr": {"int64_value": count}}]}}
