"""Spans of this process, sent over OTLP to a collector; without one nothing is recorded, and nothing paid.

    start_tracing("agent", endpoint, share)      once, before channels are opened
    rpc_span(method, received)                   around a call that is served (the interceptor)
    with span("clickhouse query", …) as made:    around a step inside it
    stop_tracing()                               sends what waits, for two seconds at most

`opentelemetry-instrumentation-grpc` is not used: for `grpc.aio` it covers a part of the kinds of calls, reads
exceptions word for word into spans, and knows neither our reasons nor our health checks. What a span says is
chosen here: names, codes, counts and ids. Never SQL, a token, an address of a person or the text of an error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import grpc
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from aidatalabs_services.runtime.caller import optional_call
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.telemetry_context import NO_TRACE, TraceContext

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

Attributes = Mapping[str, str | int | float | bool]

_FLUSH_SECONDS = 2.0
# What a server is to blame for; everything else is the caller's, and no error of the server's span.
_FAULTS = frozenset(("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"))


class _Tracing:
    """The provider of this process, if there is one."""

    provider: TracerProvider | None = None
    tracer: trace.Tracer | None = None


def start_tracing(service: str, otlp_endpoint: str, sampled_share: float) -> None:
    """Sends the spans of this process to `otlp_endpoint` (`http://host:4317`, gRPC); nothing if it is empty.

    `sampled_share` (0 to 1) of the traces that begin here are recorded; of others the caller has decided.
    What the collector does not take is dropped, never waited for.
    """
    if not otlp_endpoint:
        return
    # Imported here: without a collector no process pays for the SDK and its protocol.
    from aidatalabs_services.runtime.telemetry_export import open_provider

    _Tracing.provider = open_provider(service, otlp_endpoint, sampled_share)
    _Tracing.tracer = _Tracing.provider.get_tracer("aidatalabs")


def stop_tracing() -> None:
    """Sends the spans that wait and ends the export; a collector that does not answer costs two seconds."""
    provider, _Tracing.provider, _Tracing.tracer = _Tracing.provider, None, None
    if provider is not None:
        # A thread that the end of the process does not wait for.
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(_FLUSH_SECONDS)


def tracing_is_on() -> bool:
    """Whether spans are made in this process."""
    return _Tracing.tracer is not None


class CallSpan:
    """The span of one call that is served, current in its task until `end`.

    `received` is the caller's place in the trace, None begins a trace. Make it only while `tracing_is_on`.
    """

    def __init__(self, name: str, received: TraceContext | None, attributes: Attributes) -> None:
        assert _Tracing.tracer is not None  # noqa: S101 - see the class
        base = Context() if received is None else trace.set_span_in_context(_remote(received), Context())
        self._span = _Tracing.tracer.start_span(name, base, SpanKind.SERVER, attributes)
        self._token = attach(trace.set_span_in_context(self._span, Context()))
        self.trace = _context_of(self._span)

    def end(self, request_id: str, outcome: Attributes, failed: bool) -> None:
        """Ends it; `failed` where the fault is ours, not the caller's."""
        detach(self._token)
        if self._span.is_recording():
            self._span.set_attributes({**outcome, "aidatalabs.request_id": request_id})
            if failed:
                self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


def rpc_span(method: str, received: TraceContext | None) -> CallSpan:
    """The span of a gRPC call; `method` is its full path."""
    return CallSpan(method.strip("/"), received, rpc_attributes(method))


def end_rpc_span(made: CallSpan, request_id: str, code: str, reason: str) -> None:
    """Ends it with the name of the gRPC code and, for a refusal, its reason."""
    made.end(request_id, rpc_outcome(code, reason), code in _FAULTS)


@cache
def rpc_attributes(method: str) -> Attributes:
    """What a span says of a method of the contract."""
    service, _, name = method.strip("/").partition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}


def rpc_outcome(code: str, reason: str = "") -> Attributes:
    """What a span says of the end of a call."""
    number: int = grpc.StatusCode[code].value[0]
    if code == "OK":
        return {"rpc.grpc.status_code": number}
    more = {"aidatalabs.reason": reason} if reason else {}
    return {"rpc.grpc.status_code": number, "error.type": reason or code, **more}


@contextmanager
def span(name: str, attributes: Attributes | None = None) -> Iterator[trace.Span]:
    """A step of the current call that waits for somebody else; without a recorded call it is nothing."""
    made = begin_span(name, attributes)
    if not made.is_recording():
        yield made
        return
    try:
        with trace.use_span(made, record_exception=False, set_status_on_exception=False):
            yield made
    except BaseException as error:
        fail_span(made, error)
        raise
    finally:
        made.end()


def begin_span(name: str, attributes: Attributes | None = None) -> trace.Span:
    """A child of the current span that the caller ends; one that records nothing outside a recorded call."""
    if _Tracing.tracer is None or not trace.get_current_span().is_recording():
        return trace.INVALID_SPAN
    return _Tracing.tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)


def past_span(name: str, seconds: float, attributes: Attributes) -> None:
    """A step of the current call that has just ended and took `seconds`."""
    if _Tracing.tracer is not None and trace.get_current_span().is_recording():
        end = time.time_ns()
        begin = end - int(seconds * 1e9)
        made = _Tracing.tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes, start_time=begin)
        made.end(end)


def fail_span(made: trace.Span, error: BaseException) -> None:
    """Marks a span as failed, by the reason or the kind of the error, never by its text."""
    reason = error.reason if isinstance(error, ServiceError) else type(error).__name__
    made.set_attribute("error.type", reason)
    made.set_status(Status(StatusCode.ERROR))


def current_trace() -> TraceContext:
    """Where in its trace this task is: the innermost span, else the call's own; NO_TRACE outside a call."""
    if _Tracing.tracer is not None:
        current = trace.get_current_span()
        if current.get_span_context().is_valid:
            return _context_of(current)
    call = optional_call()
    return NO_TRACE if call is None else call.trace


def trace_headers() -> tuple[tuple[str, str], ...]:
    """The W3C headers of a request to somebody else made now; none outside a call."""
    found = current_trace()
    return found.metadata() if found.trace_id else ()


def context_headers(made: trace.Span) -> tuple[tuple[str, str], ...]:
    """The W3C headers of a request that a span stands for."""
    return _context_of(made).metadata()


def _remote(received: TraceContext) -> trace.Span:
    flags = TraceFlags(TraceFlags.SAMPLED if received.sampled else TraceFlags.DEFAULT)
    state = TraceState.from_header([received.state]) if received.state else None
    ids = int(received.trace_id, 16), int(received.span_id, 16)
    return NonRecordingSpan(SpanContext(*ids, is_remote=True, trace_flags=flags, trace_state=state))


def _context_of(made: trace.Span) -> TraceContext:
    found = made.get_span_context()
    state = found.trace_state.to_header() if found.trace_state else ""
    return TraceContext(
        f"{found.trace_id:032x}", f"{found.span_id:016x}", bool(found.trace_flags & TraceFlags.SAMPLED), state
    )
