"""Questions per second and their times through the real mesh: every question one that nobody asked before.

Over REST through the edge, at 1 and 32 callers. The peer of each figure is the same SQL, with another number
in it so that no kept result serves it, sent straight to the data service over gRPC: the ratio says what the
edge, the agent, its planner, the conversation and the proof add. One caller's time is also shown by its
parts, each part measured as a call of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

import aiohttp
import grpc

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.agent.adapters.data_client import table_of
from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.planner.planner import Planner
from aidatalabs_services.cli.demo import PLATFORM
from benchmarks.mesh_fixture import Mesh
from benchmarks.process_usage import ProcessUsage
from benchmarks.results import Row, percentile, row

CALLERS = (1, 32)
_QUESTIONS = 96
_AGAIN_SECONDS = 0.05
_WARM_UP = 8
_ASK_LIMIT_MS, _PLAN_LIMIT_MS = 250.0, 100.0
_PEER = "same SQL, gRPC, data service"
_FORMS = (
    "How many flights were there with distance above {n}?",
    "average departure delay by origin of flights with distance above {n}",
    "top 10 destinations by number of flights with distance above {n}",
    "flights per month with distance above {n}",
    "Which carrier had the most flights with distance above {n}?",
    "average arrival delay by carrier of flights with air time above {n}",
    "how many flights were there to LAX in July with departure delay above {n}?",
    "total distance by destination of flights with air time above {n}, top 5",
)

Metadata = tuple[tuple[str, str], ...]
Call = Callable[[], Awaitable[bool]]
"""Makes a call; False where it was turned away because too many run."""


@dataclass(frozen=True)
class Timed:
    """What callers did: milliseconds of each call, calls a second, CPU seconds by process, refusals."""

    waits: list[float]
    rate: float
    cpu_seconds: dict[str, float]
    refused: int


class Questions:
    """Hands out questions that nobody asked before, each with the number that makes it another one."""

    def __init__(self) -> None:
        self._numbers = itertools.count(11)

    def some(self, count: int) -> list[tuple[str, int]]:
        """That many new questions."""
        forms = itertools.cycle(_FORMS)
        return [(next(forms).format(n=number), number) for number in itertools.islice(self._numbers, count)]


async def run(mesh: Mesh) -> list[Row]:
    """Rates and times of asking, and the parts of one question's time."""
    questions = Questions()
    rows: list[Row] = []
    async with aiohttp.ClientSession(headers=mesh.headers) as session:
        await _asked(session, mesh, questions.some(_WARM_UP))
        async with mesh.channel("data") as channel:
            peer = pb_grpc.DataServiceStub(channel)
            metadata: Metadata = tuple(mesh.headers.items())
            written: list[str] = []
            for callers in CALLERS:
                fresh = questions.some(_QUESTIONS)
                answers: dict[int, str] = {}
                asked = await _timed(mesh, callers, [_ask(session, mesh, one, answers) for one in fresh])
                written = [_another(sql, number) for number, sql in sorted(answers.items())]
                queried = await _timed(mesh, callers, [_query(peer, metadata, sql) for sql in written])
                rows += _rows(callers, asked, queried)
            rows += await _parts(DataStub(peer, metadata), written, questions)
    return rows


def _rows(callers: int, asked: Timed, queried: Timed) -> list[Row]:
    said = f"asking, {callers} {'caller' if callers == 1 else 'callers'}"
    rows = [row(f"{said}: rate", asked.rate, "questions/s", peer=_PEER, peer_value=queried.rate)]
    for label, share in (("p50", 0.50), ("p95", 0.95)):
        value, other = percentile(asked.waits, share), percentile(queried.waits, share)
        rows.append(row(f"{said}: {label}", value, "ms", peer=_PEER, peer_value=other))
    if callers == 1:
        slow = percentile(asked.waits, 0.95)
        limit = {"peer": "limit", "peer_value": _ASK_LIMIT_MS, "goal": "ratio <= 1"}
        rows.append(row(f"{said}: p95 beside its limit", slow, "ms", **limit))  # type: ignore[arg-type]
    spent, others = (
        {name: 1e3 * seconds / len(timed.waits) for name, seconds in timed.cpu_seconds.items()}
        for timed in (asked, queried)
    )
    whole, other = sum(spent.values()), sum(others.values())
    rows.append(row(f"{said}: CPU, all processes", whole, "ms/question", peer=_PEER, peer_value=other))
    if callers > 1:
        turned = f"{said}: turned away, then tried again"
        rows.append(row(turned, asked.refused, "calls", peer=_PEER, peer_value=queried.refused))
        most = sorted(spent, key=lambda name: -spent[name])
        rows += [
            row(f"{said}: CPU, {name}", spent[name], "ms/question") for name in most if spent[name] >= 0.1
        ]
    return rows


async def _timed(mesh: Mesh, callers: int, calls: Sequence[Call]) -> Timed:
    """Makes the calls, so many at once, in their order; one that is turned away is made again."""
    waits: list[float] = []
    refused = 0
    waiting = iter(calls)

    async def caller() -> None:
        nonlocal refused
        for call in waiting:
            begun = time.perf_counter()
            while not await call():
                refused += 1
                await asyncio.sleep(_AGAIN_SECONDS)
            waits.append((time.perf_counter() - begun) * 1e3)

    usage = ProcessUsage(_pids(mesh))
    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    seconds = time.perf_counter() - begun
    spent = {name: used.cpu_seconds for name, used in usage.used().items()}
    return Timed(waits, len(calls) / seconds, spent, refused)


def _pids(mesh: Mesh) -> dict[str, list[int]]:
    """This process, the engine, and each process of the mesh by its name with its children."""
    found: dict[str, list[int]] = {"client": [os.getpid()], "engine": [mesh.engine.pid]}
    for process in mesh.record.processes:
        pids = [each.pid for each in (process.identity, *process.children) if each is not None]
        found.setdefault(process.name, []).extend(pids)
    return found


def _ask(session: aiohttp.ClientSession, mesh: Mesh, one: tuple[str, int], answers: dict[int, str]) -> Call:
    """A call that asks, False where it was turned away. Raises RuntimeError where there is no answer."""
    question, number = one

    async def call() -> bool:
        body = {"platform": PLATFORM, "question": question}
        async with session.post(f"{mesh.url}/api/v1/agents/query", json=body) as response:
            answer = await response.json(content_type=None)
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            return False
        sql = answer.get("sql")
        if response.status != HTTPStatus.OK or not sql:
            raise RuntimeError(f"{response.status}, no answer to {question!r}: {str(answer)[:300]}")
        answers[number] = sql
        return True

    return call


async def _asked(session: aiohttp.ClientSession, mesh: Mesh, some: Sequence[tuple[str, int]]) -> None:
    for one in some:
        await _ask(session, mesh, one, {})()


def _query(stub: pb_grpc.DataServiceStub, metadata: Metadata, sql: str) -> Call:
    async def call() -> bool:
        try:
            request = pb.QueryRequest(platform=PLATFORM, sql=sql)
            await stub.Query(request, metadata=metadata, timeout=30)  # type: ignore[misc]
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                return False
            raise
        return True

    return call


def _another(sql: str, number: int) -> str:
    """The same query with a half more in its number. Raises RuntimeError where the number is not there."""
    text, changes = re.subn(rf"\b{number}\b", f"{number}.5", sql)
    if not changes:
        raise RuntimeError(f"{number} is not in {sql!r}")
    return text


@dataclass(frozen=True)
class DataStub:
    """The data service past the edge, with a user's token."""

    stub: pb_grpc.DataServiceStub
    metadata: Metadata

    async def described(self, known: str = "") -> pb.DescribeSchemaResponse:
        """The schema, or nothing but its version where that is known."""
        request = pb.DescribeSchemaRequest(platform=PLATFORM, known_data_version=known)
        answer: pb.DescribeSchemaResponse = await self.stub.DescribeSchema(  # type: ignore[misc]
            request, metadata=self.metadata, timeout=60
        )
        return answer

    async def explain(self, sql: str) -> None:
        """The door's reading of a query."""
        await self.stub.ExplainQuery(  # type: ignore[misc]
            pb.ExplainQueryRequest(platform=PLATFORM, sql=sql), metadata=self.metadata, timeout=30
        )

    async def query(self, sql: str) -> None:
        """A query's rows."""
        if not await _query(self.stub, self.metadata, sql)():
            raise RuntimeError("one caller was turned away")


async def _parts(data: DataStub, written: Sequence[str], questions: Questions) -> list[Row]:
    """p50 of each call that a question leads to, and of planning, one after another by one caller."""
    schema = await data.described()
    planner = Planner(Catalogue(tuple(map(table_of, schema.tables)), schema.data_version))
    now = datetime.now(UTC)
    fresh = [re.sub(r"(\d+)\.5", r"\1.25", sql) for sql in written]
    described, explained, queried, planned = [], [], [], []
    for sql, (question, _) in zip(fresh, questions.some(len(fresh)), strict=True):
        described.append(await _milliseconds(data.described(schema.data_version)))
        explained.append(await _milliseconds(data.explain(sql)))
        queried.append(await _milliseconds(data.query(sql)))
        begun = time.perf_counter()
        planner.plan(question, now=now)
        planned.append((time.perf_counter() - begun) * 1e3)
    parts = {"is the schema the same": described, "planning": planned, "door": explained, "rows": queried}
    rows = [row(f"asking, parts: {name}, p50", percentile(ms, 0.5), "ms") for name, ms in parts.items()]
    slow = percentile(planned, 0.95)
    return [
        *rows,
        row("planning p95", slow, "ms", peer="limit", peer_value=_PLAN_LIMIT_MS, goal="ratio <= 1"),
    ]


async def _milliseconds(work: Awaitable[object]) -> float:
    begun = time.perf_counter()
    await work
    return (time.perf_counter() - begun) * 1e3
