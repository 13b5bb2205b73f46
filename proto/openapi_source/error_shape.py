"""The one shape of all refusals: google.rpc.Status as JSON, with the three details that we send."""

from __future__ import annotations

from collections.abc import Sequence

from openapi_source.reasons import Reason
from openapi_source.rules import Schema

_TYPES = "type.googleapis.com/google.rpc."
_DETAILS = ("ErrorInfo", "BadRequest", "RetryInfo")
_TEXT: Schema = {"type": "string"}


def example(reason: Reason) -> Schema:
    """An Example Object: the catalogue's own ErrorInfo in a whole answer."""
    info = {"@type": f"{_TYPES}ErrorInfo", **reason.example}
    value = {"code": reason.code, "message": reason.sentence, "details": [info]}
    return {"summary": reason.sentence, "value": value}


def error_schemas(catalogue: Sequence[Reason]) -> dict[str, Schema]:
    """`Error`, `ErrorReason`, and one schema for each detail."""
    return {"Error": _error(), "ErrorReason": _reason(catalogue), **_details()}


def _error() -> Schema:
    return {
        "type": "object",
        "description": "Every refusal, of the edge and of every service: google.rpc.Status.",
        "required": ["code", "message", "details"],
        "properties": {
            "code": {"type": "integer", "minimum": 1, "maximum": 16, "description": "gRPC code."},
            "message": _said("What happened and what to do next, for people."),
            "details": {
                "type": "array",
                "contains": {"$ref": "#/components/schemas/ErrorInfo"},
                "items": {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in _DETAILS]},
            },
        },
    }


def _reason(catalogue: Sequence[Reason]) -> Schema:
    return {
        "type": "string",
        "enum": [reason.name for reason in catalogue],
        "description": "\n".join(f"- `{reason.name}`: {reason.sentence}" for reason in catalogue),
    }


def _details() -> dict[str, Schema]:
    facts = {
        "type": "object",
        "additionalProperties": _TEXT,
        "description": "Facts; `request_id` is the id of the call, `trace_id` that of its trace.",
    }
    info = {
        "reason": {"$ref": "#/components/schemas/ErrorReason"},
        "domain": {"const": "aidatalabs"},
        "metadata": facts,
    }
    violation = {
        "type": "object",
        "required": ["field", "description"],
        "properties": {
            "field": _said("Path of the field, `events[3].value`."),
            "description": _said("What is wrong with it."),
        },
    }
    violations = {"field_violations": {"type": "array", "items": violation}}
    delay = _said("Seconds, `1s`.") | {"pattern": "^[0-9]+(\\.[0-9]{1,9})?s$"}
    return {
        "ErrorInfo": _detail("ErrorInfo", "Why, for programs.", info, ["reason", "domain"]),
        "BadRequest": _detail("BadRequest", "Which fields break a rule.", violations, ["field_violations"]),
        "RetryInfo": _detail(
            "RetryInfo",
            "When to try again, where waiting helps.",
            {"retry_delay": delay},
            ["retry_delay"],
        ),
    }


def _detail(name: str, description: str, properties: Schema, required: Sequence[str]) -> Schema:
    return {
        "type": "object",
        "description": description,
        "required": ["@type", *required],
        "properties": {"@type": {"const": f"{_TYPES}{name}"}, **properties},
    }


def _said(description: str) -> Schema:
    return _TEXT | {"description": description}
