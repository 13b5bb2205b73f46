"""Spans and trace ids of calls: of every kind, to peers, in refusals and logs, collector or none."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
import structlog

from aidatalabs_services.runtime import telemetry_export
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import call_metadata, call_timeout, open_channel, peer_errors
from aidatalabs_services.runtime.errors import PlatformNotFound
from aidatalabs_services.runtime.logs import configure_logging
from aidatalabs_services.runtime.telemetry import current_trace, start_tracing, stop_tracing
from aidatalabs_services.runtime.telemetry_context import NO_TRACE
from aidatalabs_services.runtime.testing import ALICE, StaticRoles, TokenMint, running_server
from tests.gateway.collector import Collector, Span, running_collector
from tests.rpc.runtime.echo_service import CONTRACT, NAME, TABLE, Echo, EchoRequest, EchoResponse
from tests.rpc.runtime.test_runtime_calls import details

TRACE = "5bd66ef5095369c7b0d1f8f4bd33716a"
SAMPLED = f"00-{TRACE}-c532cb4098ac3dd2-01"
UNSAMPLED = f"00-{TRACE}-c532cb4098ac3dd2-00"
ROLES = StaticRoles(mesh={ALICE: Role.VIEWER}, platforms={("platforms/demo", ALICE): Role.EDITOR})
METHODS = {"Say": "unary_unary", "Count": "unary_stream", "Sum": "stream_unary", "Chat": "stream_stream"}


@asynccontextmanager
async def tracing(share: float = 1.0) -> AsyncIterator[Collector]:
    """Spans go to a collector; at the end of the block all have arrived."""
    async with running_collector() as collector:
        start_tracing("echo", collector.endpoint, share)
        try:
            yield collector
        finally:
            await asyncio.to_thread(stop_tracing)


@asynccontextmanager
async def serving(say: Any = None) -> AsyncIterator[Any]:
    """An echo service; yields what calls one of its methods with a traceparent."""
    mint = TokenMint()
    echo = Echo(say) if say is not None else Echo()
    parts: dict[str, Any] = {"roles": ROLES, "table": TABLE, "contract": CONTRACT, "mint": mint}
    async with running_server(echo.service(), **parts) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:

            async def call(
                method: str = "Say", traceparent: str = SAMPLED, tracestate: str = "", **fields: Any
            ) -> Any:
                kind = METHODS[method]
                made = getattr(channel, kind)(
                    f"/{NAME}/{method}",
                    request_serializer=EchoRequest.SerializeToString,
                    response_deserializer=EchoResponse.FromString,
                )
                request = EchoRequest(platform="platforms/demo", **fields)
                sent = iter([request]) if kind.startswith("stream") else request
                trace = [("traceparent", traceparent)]
                trace += [("tracestate", tracestate)] if tracestate else []
                begun = made(sent, metadata=[*mint.metadata(ALICE), *trace], timeout=5)
                return [one async for one in begun] if kind.endswith("stream") else await begun

            call.address = server.address  # type: ignore[attr-defined]
            yield call


def asks_a_peer(channel: grpc.aio.Channel) -> Any:
    """A handler that asks the same question of a peer."""
    peer: Any = channel.unary_unary(
        f"/{NAME}/Say",
        request_serializer=EchoRequest.SerializeToString,
        response_deserializer=EchoResponse.FromString,
    )

    async def say(request: Any) -> Any:
        with peer_errors("echo"):
            return await peer(request, metadata=call_metadata(), timeout=call_timeout())

    return say


@asynccontextmanager
async def chained(say: Any = None) -> AsyncIterator[Any]:
    """An echo service whose answer comes from another one, reached as services reach one another."""
    mint = TokenMint()
    parts: dict[str, Any] = {"roles": ROLES, "table": TABLE, "contract": CONTRACT, "mint": mint}
    back = Echo(say) if say is not None else Echo()
    async with running_server(back.service(), **parts) as behind:
        peer = open_channel(behind.address)
        async with running_server(Echo(asks_a_peer(peer)).service(), **parts) as front:
            async with grpc.aio.insecure_channel(front.address) as channel:
                made = channel.unary_unary(
                    f"/{NAME}/Say",
                    request_serializer=EchoRequest.SerializeToString,
                    response_deserializer=EchoResponse.FromString,
                )

                async def call(traceparent: str = SAMPLED) -> Any:
                    metadata = [*mint.metadata(ALICE), ("traceparent", traceparent)]
                    request = EchoRequest(platform="platforms/demo")
                    return await made(request, metadata=metadata, timeout=5)

                yield call
        await peer.close()


@pytest.mark.parametrize("method", METHODS)
async def test_a_call_of_each_kind_has_one_span_below_its_callers(method: str) -> None:
    async with tracing() as collector:
        async with serving() as call:
            await call(method, number=2)
    (span,) = collector.spans
    assert (span.name, span.kind, span.service) == (f"{NAME}/{method}", "server", "echo")
    assert (span.trace_id, span.parent, span.failed) == (TRACE, "c532cb4098ac3dd2", False)
    assert span.attributes["rpc.grpc.status_code"] == 0
    assert (span.attributes["rpc.service"], span.attributes["rpc.method"]) == (NAME, method)


@pytest.mark.parametrize("method", ["Say", "Count"])
async def test_a_span_lasts_as_long_as_its_call_and_says_how_it_was_refused(method: str) -> None:
    async def refuse(request: Any) -> Any:
        await asyncio.sleep(0.1)
        raise PlatformNotFound("No ana@example.com here.")

    async with tracing() as collector:
        async with serving(refuse) as call:
            with pytest.raises(grpc.aio.AioRpcError):
                await call(method)
    (span,) = collector.spans
    assert span.end - span.begin > 0.09e9
    assert span.attributes["aidatalabs.reason"] == "PLATFORM_NOT_FOUND"
    assert span.attributes["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert not span.failed, "a refusal is no fault of the service"
    assert "ana@" not in collector.text()


async def test_a_fault_marks_the_span_and_tells_nothing_of_its_text() -> None:
    async def break_down(request: Any) -> Any:
        raise RuntimeError("SELECT secret FROM hidden")

    async with tracing() as collector:
        async with serving(break_down) as call:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call()
    (span,) = collector.spans
    assert span.failed
    assert span.attributes["error.type"] == "INTERNAL"
    assert "secret" not in collector.text()
    info, others = details(caught.value)
    assert info.metadata["trace_id"] == TRACE
    assert span.attributes["aidatalabs.request_id"] == others["request_id"]


async def test_a_call_to_a_peer_has_a_span_and_the_peers_is_its_child() -> None:
    async with tracing() as collector:
        async with chained() as call:
            await call()
    front, client, behind = _way(collector)
    assert [one.kind for one in (front, client, behind)] == ["server", "client", "server"]
    assert client.attributes["rpc.grpc.status_code"] == 0


async def test_a_peers_refusal_passes_unchanged_and_fails_the_span_of_the_call() -> None:
    async def refuse(request: Any) -> Any:
        raise PlatformNotFound("None.", metadata={"platform": "x"})

    async with tracing() as collector:
        async with chained(refuse) as call:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call()
    info, _ = details(caught.value)
    assert (info.reason, info.metadata["platform"]) == ("PLATFORM_NOT_FOUND", "x")
    front, client, _ = _way(collector)
    assert (client.failed, client.attributes["rpc.grpc.status_code"]) == (True, 5)
    assert not front.failed


async def test_a_call_that_is_given_up_is_given_up_at_the_peer_and_its_spans_end() -> None:
    seen: list[str] = []

    async def wait(request: Any) -> Any:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async with tracing() as collector:
        async with chained(wait) as call:
            begun = time.monotonic()
            running = asyncio.ensure_future(call())
            await asyncio.sleep(0.3)
            running.cancel()
            for _ in range(100):
                if seen:
                    break
                await asyncio.sleep(0.02)
            assert time.monotonic() - begun < 2
    assert seen == ["cancelled"]
    assert [one.attributes["rpc.grpc.status_code"] for one in _way(collector)] == [1, 1, 1]


async def test_a_trace_that_its_caller_does_not_record_is_passed_on_and_not_recorded() -> None:
    seen: list[Any] = []

    async def note(request: Any) -> Any:
        seen.append(current_trace())
        return EchoResponse()

    async with tracing() as collector:
        async with chained(note) as call:
            await call(UNSAMPLED)
    assert [(one.trace_id, one.sampled) for one in seen] == [(TRACE, False)]
    assert collector.spans == []


async def test_the_share_decides_where_a_trace_begins_here() -> None:
    async with tracing(0.0) as collector:
        async with serving() as call:
            await call(traceparent="none")
            await call(traceparent=SAMPLED)
    assert [one.trace_id for one in collector.spans] == [TRACE]


async def test_health_checks_have_no_span() -> None:
    async with tracing() as collector:
        async with serving() as call:
            async with grpc.aio.insecure_channel(call.address) as channel:
                check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
                await check(b"", timeout=5)
    assert collector.spans == []


async def test_without_a_collector_the_trace_goes_on_as_it_came() -> None:
    seen: list[Any] = []

    async def note(request: Any) -> Any:
        seen.append(current_trace())
        return EchoResponse()

    async with chained(note) as call:
        await call(SAMPLED)
        await call("nonsense")
    assert (seen[0].trace_id, seen[0].span_id, seen[0].sampled) == (TRACE, "c532cb4098ac3dd2", True)
    assert re.fullmatch("[0-9a-f]{32}", seen[1].trace_id)
    assert current_trace() == NO_TRACE


async def test_the_trace_id_stands_in_each_line_of_the_call_and_in_its_refusal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def refuse(request: Any) -> Any:
        raise PlatformNotFound("None.")

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("echo")
    try:
        async with serving(refuse) as call:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(traceparent="none")
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [one for one in lines if one["event"] == "call"]
    info, _ = details(caught.value)
    assert info.metadata["trace_id"] == line["trace_id"]
    assert re.fullmatch("[0-9a-f]{32}", line["trace_id"])


async def test_a_collector_that_is_down_costs_calls_nothing_and_the_stop_two_seconds() -> None:
    start_tracing("echo", "http://127.0.0.1:9", 1.0)
    async with serving() as call:
        begun = time.monotonic()
        for _ in range(20):
            await call()
        assert time.monotonic() - begun < 2
    begun = time.monotonic()
    await asyncio.to_thread(stop_tracing)
    assert time.monotonic() - begun < 3


async def test_a_collector_that_is_away_is_told_once_and_once_more_when_it_is_back(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry_export, "_EXPORT_SECONDS", 0.5)
    monkeypatch.setattr(telemetry_export, "_BATCH_SECONDS", 0.2)
    async with running_collector() as before:
        port = int(before.endpoint.rpartition(":")[2])
    with structlog.testing.capture_logs() as own:
        async with serving() as call:
            start_tracing("echo", before.endpoint, 1.0)
            try:
                for _ in range(10):
                    await call()
                    await asyncio.sleep(0.2)
                async with running_collector(port) as back, asyncio.timeout(10):
                    while not any(line["event"] == "spans are taken again" for line in own):
                        await call()
                        await asyncio.sleep(0.1)
            finally:
                await asyncio.to_thread(stop_tracing)
    assert back.spans
    assert [line.levelname for line in caplog.records if "export" in line.message] == ["ERROR"]
    (again,) = [line for line in own if line["event"] == "spans are taken again"]
    assert again["lost_count"] >= 2


async def test_a_tracestate_that_breaks_the_specification_is_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with tracing() as collector:
        async with serving() as call:
            await call(tracestate="secretword")
    assert [one.trace_id for one in collector.spans] == [TRACE]
    assert "secretword" not in caplog.text


def _way(collector: Collector) -> tuple[Span, Span, Span]:
    """Server, client and the peer's server span, each the parent of the next."""
    by_parent = {one.parent: one for one in collector.spans}
    front = by_parent["c532cb4098ac3dd2"]
    client = by_parent[front.span_id]
    behind = by_parent[client.span_id]
    assert len(collector.spans) == 3
    return front, client, behind
