"""Events a second through Ingest, 1,000 a call, stored; and where the service's time goes, stage by stage.

Every event has five properties (`event_batches`). The ways, with the same events, prepared before the clock
runs: gRPC past the edge, gRPC and REST through it, and JSONEachRow of the same events, 1,000 an insert,
straight into the same engine. Each fills the `events` table of a platform of its own, roll-ups and merges on.
The callers take their share of the machine. A stage's figure is CPU time of this process for one call of
1,000, nothing beside it. What each process spends on an event is told for the most callers.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import grpc
import psutil
from clickhouse_connect.driver.asyncclient import AsyncClient

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs_services.data.adapters.ingest_messages import MessageEvents, batch_of
from aidatalabs_services.data.event_verdicts import judge_event_batch
from aidatalabs_services.data.journal_records import GroupRecord, RequestRecord, group_frame
from aidatalabs_services.data.standard_tables import EVENTS
from benchmarks.event_batches import event_batches
from benchmarks.mesh_fixture import Mesh
from benchmarks.results import Row, row
from benchmarks.streaming_ingest import fresh_platform

CALLERS = (8, 64)
DEFAULT_SECONDS = 5.0
_CALL_EVENTS = 1_000
_CALLS = 24
_ROUNDS = 15
_TIMEOUT_SECONDS = 60.0
_ENGINE = "clickhouse-connect, JSONEachRow"
_DIRECT = "gRPC, service's socket"
_EDGE = "gRPC, edge"
_REST = "REST, edge"
_GOALS = {_DIRECT: ">= 100 k/s", _EDGE: ">= 100 k/s", _REST: ">= 40 k/s"}

Send = Callable[[AsyncClient, str, int], Awaitable[None]]
"""Sends the n-th call to a platform."""


async def run(mesh: Mesh, seconds: float = DEFAULT_SECONDS) -> list[Row]:
    """Events per second of each way at 8 and 64 callers, and microseconds per event of each stage."""
    calls = await asyncio.to_thread(event_calls)
    rows = await asyncio.to_thread(_stages, calls[0])
    async with (
        mesh.channel("data") as direct,
        grpc.aio.insecure_channel(mesh.edge) as edge,
        aiohttp.ClientSession() as session,
    ):
        ways = {
            _ENGINE: _insert(calls),
            _DIRECT: _ingest(mesh, direct, calls),
            _EDGE: _ingest(mesh, edge, calls),
            _REST: _post(mesh, session, calls),
        }
        for callers in CALLERS:
            rates, spent = {}, dict[str, dict[str, float]]()
            for number, (way, send) in enumerate(ways.items()):
                name = f"events-{callers}-{number}"
                rates[way], spent[way] = await _rate(mesh, name, send, callers, seconds)
            rows += [
                row(
                    f"ingest of events: {way}, {callers} callers",
                    rates[way],
                    "rows/s",
                    peer=_ENGINE,
                    peer_value=rates[_ENGINE],
                    goal=_GOALS[way],
                )
                for way in (_DIRECT, _EDGE, _REST)
            ]
        rows += [
            row(f"ingest of events: {way}, CPU of {process}", figure, "us/event")
            for way, figures in spent.items()
            for process, figure in figures.items()
        ]
    return rows


def _cpu_times(mesh: Mesh) -> dict[str, float]:
    """CPU seconds so far of the processes that an event goes through, callers included."""
    pids = {each.name: each.identity.pid for each in mesh.record.processes if each.identity is not None}
    named = {**pids, "engine": mesh.engine.pid, "callers": psutil.Process().pid}
    named = {name: named[name] for name in ("callers", "edge", "data", "engine")}
    times = {name: psutil.Process(pid).cpu_times() for name, pid in named.items()}
    return {name: each.user + each.system for name, each in times.items()}


async def _rate(
    mesh: Mesh, name: str, send: Send, callers: int, seconds: float
) -> tuple[float, dict[str, float]]:
    """Events a second into a new platform, and microseconds of CPU per event by process.

    Raises RuntimeError unless every event is there afterwards.
    """
    async with fresh_platform(mesh, name) as (platform, client):
        numbers, sent = itertools.count(), 0
        before, begun = _cpu_times(mesh), time.perf_counter()

        async def caller() -> None:
            nonlocal sent
            while time.perf_counter() - begun < seconds:
                await send(client, platform, next(numbers))
                sent += _CALL_EVENTS

        await asyncio.gather(*(caller() for _ in range(callers)))
        rate = sent / (time.perf_counter() - begun)
        spent = {name: (used - before[name]) / sent * 1e6 for name, used in _cpu_times(mesh).items()}
        stored = int((await client.raw_query("SELECT count() FROM events", fmt="TabSeparated")).strip())
        if stored != sent:
            raise RuntimeError(f"{stored} of {sent} events are in the table")
        return rate, spent


def _ingest(mesh: Mesh, channel: grpc.aio.Channel, calls: list[list[dict[str, Any]]]) -> Send:
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, pb.IngestResponse] = channel.unary_unary(
        "/aidatalabs.data.v1.DataService/Ingest", response_deserializer=pb.IngestResponse.FromString
    )
    messages = [event_message(call).SerializeToString() for call in calls]
    metadata = tuple(mesh.headers.items())

    async def send(_: AsyncClient, platform: str, number: int) -> None:
        head = pb.IngestRequest(platform=platform, request_id=f"bench-{number}").SerializeToString()
        # Two serialised messages in a row are their fields together.
        answer = await method(head + messages[number % _CALLS], metadata=metadata, timeout=_TIMEOUT_SECONDS)
        _check(answer.receipt.accepted_count)

    return send


def _post(mesh: Mesh, session: aiohttp.ClientSession, calls: list[list[dict[str, Any]]]) -> Send:
    bodies = [json.dumps(call).encode() for call in calls]
    headers = {**mesh.headers, "content-type": "application/json"}

    async def send(_: AsyncClient, platform: str, number: int) -> None:
        head = json.dumps({"platform": platform, "request_id": f"bench-{number}"})[:-1].encode()
        body = b"".join([head, b', "events": ', bodies[number % _CALLS], b"}"])
        async with session.post(f"{mesh.url}/api/v1/data/ingest", data=body, headers=headers) as answer:
            answer.raise_for_status()
            _check(int((await answer.json())["receipt"]["accepted_count"]))

    return send


def json_insert(calls: list[list[dict[str, Any]]]) -> Callable[[AsyncClient, int], Awaitable[int]]:
    """Inserts the n-th call's events as JSONEachRow and returns how many they are."""
    columns = list(EVENTS.types)
    lines = ["\n".join(map(json.dumps, call)).encode() for call in calls]

    async def insert(client: AsyncClient, number: int) -> int:
        await client.raw_insert(
            "events",
            columns,
            lines[number % _CALLS],
            fmt="JSONEachRow",
            settings={
                "insert_deduplication_token": f"bench-{number}",
                "date_time_input_format": "best_effort",
            },
        )
        return _CALL_EVENTS

    return insert


def _insert(calls: list[list[dict[str, Any]]]) -> Send:
    insert = json_insert(calls)

    async def send(client: AsyncClient, _: str, number: int) -> None:
        await insert(client, number)

    return send


def _check(accepted: int) -> None:
    if accepted != _CALL_EVENTS:
        raise RuntimeError(f"{accepted} of {_CALL_EVENTS} events were accepted")


def _stages(call: list[dict[str, Any]]) -> list[Row]:
    """CPU time of each stage of the service, one after the other."""
    message = event_message(call).SerializeToString()
    request = pb.IngestRequest.FromString(message)
    batch = batch_of(request)
    if not isinstance(batch, MessageEvents) or (columns := batch.event_columns()) is None:
        raise RuntimeError("these events are read one by one")
    found = judge_event_batch(columns, batch.event, EVENTS, now_seconds=time.time())
    record = RequestRecord("bench", batch.digest(), "receipts/bench", found.accepted_count)
    group = GroupRecord(
        1, time.time(), "events", "id", "t", tuple(EVENTS.types), (record,), tuple(found.blocks.values())
    )
    stages: dict[str, Callable[[], object]] = {
        "decode": lambda: pb.IngestRequest.FromString(message),
        "digest": lambda: batch_of(request).digest(),
        "read by column": lambda: MessageEvents(request).event_columns(),
        "verdicts and encode": lambda: judge_event_batch(
            columns, batch.event, EVENTS, now_seconds=time.time()
        ),
        "journal frame": lambda: group_frame(group),
    }
    taken = {name: _cpu_seconds(stage) for name, stage in stages.items()}
    whole = sum(taken.values())
    return [
        row(
            f"ingest of events, stage: {name}",
            seconds / _CALL_EVENTS * 1e6,
            "us/event",
            goal=_share(seconds, whole),
        )
        for name, seconds in taken.items()
    ]


def _share(seconds: float, whole: float) -> str:
    return f"{seconds / whole:.0%} of the service's Python"


def _cpu_seconds(stage: Callable[[], object]) -> float:
    """The shortest of several runs."""
    best = float("inf")
    for _ in range(_ROUNDS):
        begun = time.process_time()
        stage()
        best = min(best, time.process_time() - begun)
    return best


def event_calls() -> list[list[dict[str, Any]]]:
    """The events of each call, as JSON has them."""
    calls = []
    for batch in event_batches(_CALLS, _CALL_EVENTS):
        events = batch.to_pylist()
        for event in events:
            event["timestamp"] = event["timestamp"].strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
            event["properties"] = {
                key: value for key, value in event["properties"].items() if value is not None
            }
        calls.append(events)
    return calls


def event_message(call: list[dict[str, Any]]) -> pb.IngestRequest:
    """One call's events as a message without platform and request id."""
    request = pb.IngestRequest()
    for event in call:
        message = request.events.add(
            event_type=event["event_type"], user_id=event["user_id"], value=event["value"]
        )
        message.timestamp.FromJsonString(event["timestamp"])
        message.properties.update(event["properties"])
    return request
