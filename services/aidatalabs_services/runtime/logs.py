"""JSON log lines on standard output, with secrets and values taken out.

Every line has `time` (RFC 3339, UTC), `level`, `service`, `event`; lines of a call also `request_id`,
`trace_id` and `method`, and the one access line per call `code` and `seconds`. What passes through here
leaves the machine one day, so tokens, passwords, addresses of people and literals of SQL are replaced before
it is written.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from aidatalabs_services.runtime.caller import optional_call

_REPLACEMENTS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]+"), r"\1 ***"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), "***token***"),
    (re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/@]+@"), r"\1:***@"),
    (
        re.compile(
            r"(?i)\b(\w*(?:password|passwd|secret|token|api_?key|cookie)\w*)(['\"]?\s*[=:]\s*)[^\s,;&]+"
        ),
        r"\1\2***",
    ),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "***@***"),
    (re.compile(r"(?i)(Key \([^)]*\))=\((?:[^)]*)\)"), r"\1=(***)"),
)
_SQL = re.compile(r"(?i)\b(select|insert|update|delete|where|values|create|alter)\b")
_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'")
_SECRET_NAME = re.compile(r"(?i)password|passwd|secret|token$|authorization|cookie|api_?key")
# Our own words or checked shapes: nothing to look for in them, and they stand in every line.
_SAFE_NAMES = frozenset(
    ("time", "level", "service", "request_id", "trace_id", "method", "code", "reason", "seconds", "user")
)

EventDict = MutableMapping[str, Any]


def redacted(text: str) -> str:
    """The text without tokens, passwords, e-mail addresses and, where it looks like SQL, without literals."""
    if text.isalpha():  # one plain word, as most events and names are: no pattern matches letters alone
        return text
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    if "'" in text and _SQL.search(text):
        text = _LITERAL.sub("'***'", text)
    return text


def configure_logging(service: str, level: str = "info") -> None:
    """Sends all logging of this process (structlog and the standard library) to standard output as JSON."""

    def add_service(_logger: object, _name: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    number = logging.getLevelName(level.upper())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            add_service,
            _add_call,
            _add_traceback,
            _redact,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_ToStructlog()]
    root.setLevel(max(number, logging.WARNING))


class _ToStructlog(logging.Handler):
    """Passes lines of libraries on, so that they come out in the same shape, redacted."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record of the standard library's logging."""
        structlog.get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None
        )


def _add_call(_logger: object, _name: str, event: EventDict) -> EventDict:
    call = optional_call()
    if call is not None:
        event.setdefault("request_id", call.request_id)
        if call.trace.trace_id:
            event.setdefault("trace_id", call.trace.trace_id)
        event.setdefault("method", call.method)
    return event


def _add_traceback(_logger: object, _name: str, event: EventDict) -> EventDict:
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    if isinstance(found, BaseException):
        found = (type(found), found, found.__traceback__)
    if found and found[0] is not None:
        event["traceback"] = "".join(traceback.format_exception(*found))
    return event


def _redact(_logger: object, _name: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if name not in _SAFE_NAMES:
            event[name] = "***" if _SECRET_NAME.search(name) else _clean(value)
    return event


def _clean(value: object) -> object:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, dict):
        return {
            str(name): "***" if _SECRET_NAME.search(str(name)) else _clean(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    return redacted(str(value))
