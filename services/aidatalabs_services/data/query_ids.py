"""The id under which the engine knows a query: the trace it belongs to, and a part of its own."""

from __future__ import annotations

import secrets

from aidatalabs_services.runtime.caller import optional_call


def new_query_id() -> str:
    """`{trace id}-{16 hex digits}` within a call: the engine's list of queries, the logs and the trace lead
    to one another. The second part makes it one of a kind, whatever trace id a caller sent.
    """
    call = optional_call()
    own = secrets.token_hex(8)
    return f"{call.trace.trace_id}-{own}" if call and call.trace.trace_id else own
