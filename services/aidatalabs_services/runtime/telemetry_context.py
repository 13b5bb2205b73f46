"""The trace a call belongs to: W3C Trace Context, read from its metadata, passed on to peers and the engine.

Every call has a trace id, with a collector or without one: it stands in each log line, in each error and in
the id of the engine's query, so that the three are found again from one another. A process that records no
spans passes the ids on as they came.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

TRACEPARENT_KEY = "traceparent"
TRACESTATE_KEY = "tracestate"

_LENGTH = 55  # of version 00: `00-{32 hex}-{16 hex}-{2 hex}`
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_STATE_CHARACTERS = 512
_NO_TRACE_ID = "0" * 32
_NO_SPAN_ID = "0" * 16


@dataclass(frozen=True, slots=True)
class TraceContext:
    """One place in a trace: `trace_id` (32 hex digits), `span_id` (16) of whoever calls, whether spans of the
    trace are recorded, and what tracing systems of others pass on with it (`state`, as it came).
    """

    trace_id: str
    span_id: str
    sampled: bool = False
    state: str = ""

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The headers that carry it to a peer."""
        parent = (TRACEPARENT_KEY, f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}")
        return (parent, (TRACESTATE_KEY, self.state)) if self.state else (parent,)


NO_TRACE = TraceContext("", "")
"""The trace of what belongs to no call; it has no headers worth sending."""


def new_trace() -> TraceContext:
    """A trace of its own, for a call that came without one; not recorded."""
    return TraceContext(secrets.token_hex(16), secrets.token_hex(8))


def read_trace(metadata: Iterable[tuple[str, str | bytes]]) -> TraceContext | None:
    """The trace a caller names; None when it names none, several, or one that breaks the specification."""
    found, state = "", ""
    for key, value in metadata:
        if key == TRACEPARENT_KEY:
            if found:
                return None
            found = str(value)
        elif key == TRACESTATE_KEY:
            state = f"{state},{value!s}" if state else str(value)
    parts = _TRACEPARENT.fullmatch(found) if found else None
    if parts is None or parts[1] == "ff" or (parts[1] == "00" and len(found) != _LENGTH):
        return None
    if parts[2] == _NO_TRACE_ID or parts[3] == _NO_SPAN_ID:
        return None
    kept = state if len(state) <= _STATE_CHARACTERS else ""
    return TraceContext(parts[2], parts[3], bool(int(parts[4], 16) & 1), kept)
