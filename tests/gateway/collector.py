"""A collector of traces, OTLP over gRPC, that keeps what it is sent; as a program it prints each trace.

.venv/bin/python -m tests.gateway.collector 4317
AIDATALABS_TELEMETRY_OTLP_ENDPOINT=http://127.0.0.1:4317 make up
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as pb_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

KINDS = {trace_pb2.Span.SPAN_KIND_SERVER: "server", trace_pb2.Span.SPAN_KIND_CLIENT: "client"}


@dataclass(frozen=True)
class Span:
    """One span as it was sent; ids in hex, `parent` empty for the first of a trace."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent: str
    begin: int
    end: int
    failed: bool
    attributes: dict[str, Any]


@dataclass
class Collector:
    """Where it listens, and every span it was sent."""

    endpoint: str = ""
    spans: list[Span] = field(default_factory=list)

    def of(self, trace_id: str) -> list[Span]:
        """The spans of one trace, in the order in which they began."""
        return sorted((each for each in self.spans if each.trace_id == trace_id), key=lambda each: each.begin)

    async def wait_for(self, enough: Callable[[list[Span]], bool], trace_id: str) -> list[Span]:
        """The spans of a trace as soon as they are `enough`; after 10 s those there are."""
        for _ in range(200):
            if enough(self.of(trace_id)):
                break
            await asyncio.sleep(0.05)
        return self.of(trace_id)

    def text(self) -> str:
        """Everything that was sent, as one text to look for what must not be in it."""
        return repr(self.spans)


class _Service(pb_grpc.TraceServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    async def Export(self, request, context):  # type: ignore[no-untyped-def]
        for resource in request.resource_spans:
            about = _plain(resource.resource.attributes)
            for scope in resource.scope_spans:
                self._collector.spans.extend(_span(each, about["service.name"]) for each in scope.spans)
        return pb.ExportTraceServiceResponse()


@asynccontextmanager
async def running_collector(port: int = 0) -> AsyncIterator[Collector]:
    """A collector on a port of the loopback, 0 for any that is free."""
    collector = Collector()
    server = grpc.aio.server()
    pb_grpc.add_TraceServiceServicer_to_server(_Service(collector), server)  # type: ignore[no-untyped-call]
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(0)


def tree(spans: list[Span]) -> str:
    """A trace as people read it: who called whom, how long each took, and the ids that lead elsewhere."""
    begun = min(each.begin for each in spans)
    lines: list[str] = []

    def add(span: Span, depth: int) -> None:
        about = {
            name.rpartition(".")[2]: value
            for name, value in span.attributes.items()
            if name.rpartition(".")[2] in ("query_id", "status_code", "returned_rows", "read_rows", "reason")
        }
        told = "".join(f" {name}={value}" for name, value in about.items())
        start, took = (span.begin - begun) / 1e6, (span.end - span.begin) / 1e6
        lines.append(
            f"{start:8.1f} ms {took:8.1f} ms  {'  ' * depth}{span.service}: {span.name} ({span.kind}){told}"
        )
        for child in spans:
            if child.parent == span.span_id:
                add(child, depth + 1)

    known = {each.span_id for each in spans}
    for first in spans:
        if first.parent not in known:
            add(first, 0)
    return "\n".join(lines)


async def _print_traces(port: int) -> None:
    """Prints each trace that begins at the edge once nothing more of it has come for a while."""
    async with running_collector(port) as collector:
        sys.stdout.write(f"collecting at {collector.endpoint}\n")
        counts: dict[str, int] = {}
        while True:
            await asyncio.sleep(2.5)
            for trace_id in {one.trace_id for one in collector.spans}:
                spans = collector.of(trace_id)
                if counts.get(trace_id) == len(spans):
                    sys.stdout.write(f"\ntrace {trace_id}\n{tree(spans)}\n")
                    sys.stdout.flush()
                    collector.spans = [one for one in collector.spans if one.trace_id != trace_id]
                counts[trace_id] = len(spans)


def _span(sent: trace_pb2.Span, service: str) -> Span:
    return Span(
        service,
        sent.name,
        KINDS.get(sent.kind, "internal"),
        sent.trace_id.hex(),
        sent.span_id.hex(),
        sent.parent_span_id.hex(),
        sent.start_time_unix_nano,
        sent.end_time_unix_nano,
        sent.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        _plain(sent.attributes),
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_print_traces(int(sys.argv[1]) if len(sys.argv) > 1 else 4317))
