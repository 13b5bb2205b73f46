"""Far more than the service can take: how much memory it uses, what it says, and how soon it is well again.

    measure   callers that wait for each answer            calls a second it can sustain, its usual latency
    overload  ten times as many calls, whatever is answered, and more streams than are let in, each pushing
              batches as fast as flow control lets it; beside them a neighbour on another platform
    after     one call at a time until it is stored, not only journalled, in the usual time

Calls bring one of a few prepared batches under ids of their own, so each stored row is counted against the
acknowledgements of its batch: no more, no fewer.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import psutil

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_client.errors import ApiError
from aidatalabs_services.mesh.pids import ProcessIdentity
from tests.durability.events import ROWS, STREAM, BatchOf
from tests.durability.neighbour import SERVICE, Neighbour, stored
from tests.durability.worlds import PLATFORM, Alone, Behind, Tenant, World

_CALL_SECONDS = 60.0
_TICK_SECONDS = 0.01
_SAMPLE_SECONDS = 0.1
_PREPARED = 6
_OUTSTANDING_CALLS = 2_000
_WINDOW = 48
_STEADY_PROBES = 3
_STORED_SECONDS = 60.0
MIB = 1024 * 1024
# What gRPC's own client says where a stream was refused while a message was being written into it: the
# service's status is lost there (grpc/grpc#36066). Streams alone, and never one that was let in.
_STATUS_LOST = "Internal error from Core"


@dataclass(frozen=True)
class Push:
    """How hard: seconds of measuring and of overload, callers and streams, how many times the rate."""

    measure_seconds: float
    seconds: float
    times: float = 10.0
    callers: int = 8
    streams: int = 20
    channels: int = 8
    stream_rows: int = 20_000


@dataclass
class Told:
    """What callers were told: acknowledgements by batch, refusals, and answers that should not have been."""

    acknowledged: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    amiss: Counter[str] = field(default_factory=Counter)

    def failed(self, error: ApiError) -> float:
        """Notes a failure; the seconds to wait that it names."""
        if error.code == "RESOURCE_EXHAUSTED" and error.reason and error.retry_after_seconds:
            self.refused[error.reason] += 1
        elif _STATUS_LOST in str(error):
            self.refused[_STATUS_LOST] += 1
        else:
            self.amiss[f"{error.code} {error.reason or str(error)[:120]}"] += 1
        return error.retry_after_seconds or 0.5


@dataclass
class Figures:
    """What a run measured. Rates are events a second, memory is the resident set in MiB at its highest.

    `recovered_seconds` and `stored_seconds` count from the moment in which nobody sends too much any more:
    until calls are as quick as before, and until everything acknowledged up to then is in the table.
    """

    sustained_calls: float = 0.0
    sustained_events: float = 0.0
    usual_seconds: float = 0.0
    call_seconds: list[float] = field(default_factory=list)
    refusal_seconds: list[float] = field(default_factory=list)
    stored_seconds: float = -1.0
    offered_times: float = 0.0
    calls: Told = field(default_factory=Told)
    batches: Told = field(default_factory=Told)
    acknowledged_events: int = 0
    idle_mib: dict[str, int] = field(default_factory=dict)
    peak_mib: dict[str, int] = field(default_factory=dict)
    recovered_seconds: float = -1.0
    probes: list[tuple[float, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Called:
    """One call: how long it took, its id, and the state in its receipt, none where it was refused."""

    seconds: float
    key: str
    state: str


class Prepared:
    """Batches made beforehand: the calls and messages cost the sender nothing but their sending."""

    def __init__(self, stream_rows: int) -> None:
        found = (BatchOf(1, ROWS, number) for number in itertools.count())
        self.rows = list(itertools.islice((one for one in found if one.count >= 400), _PREPARED))
        self.calls = [
            pb.IngestRequest(platform=PLATFORM, events=one.messages()).SerializeToString()
            for one in self.rows
        ]
        self.streams = [BatchOf(1, STREAM, number, stream_rows) for number in range(_PREPARED)]
        self.messages = [one.arrow() for one in self.streams]
        self.by_key = {one.key: one for one in [*self.rows, *self.streams]}


class Overload:
    """One run against a world that is up."""

    def __init__(self, world: World, push: Push) -> None:
        self._world = world
        self._push = push
        self._prepared = Prepared(push.stream_rows)
        self._metadata = (("authorization", f"Bearer {world.token}"),)
        self._channels: list[grpc.aio.Channel] = []
        self.figures = Figures()
        self.neighbour: Neighbour | None = None
        self._ended_at = 0.0
        self._rest: list[asyncio.Task[Any]] = []

    async def run(self) -> Figures:
        """All three parts."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", 64 * MIB)]
        self._channels = [
            grpc.aio.insecure_channel(self._world.address, options=options)
            for _ in range(self._push.channels)
        ]
        try:
            async with self._sampled(self.figures.idle_mib):
                await self._measure()
            assert isinstance(self._world, Alone | Behind)  # worlds that somebody else lives in as well
            self.neighbour = Neighbour(await self._world.neighbour())
            end = asyncio.Event()
            living = asyncio.create_task(self.neighbour.live(self._world.address, end))
            async with self._sampled(self.figures.peak_mib):
                await self._overload()
            await self._recover()
            end.set()
            await living
        finally:
            await asyncio.gather(*(channel.close() for channel in self._channels))
        told = self.figures.calls.acknowledged + self.figures.batches.acknowledged
        self.figures.acknowledged_events = sum(
            self._prepared.by_key[key].count * count for key, count in told.items()
        )
        return self.figures

    def expected(self) -> dict[BatchOf, int]:
        """How often each prepared batch was acknowledged."""
        told = self.figures.calls.acknowledged + self.figures.batches.acknowledged
        return {batch: told[key] for key, batch in self._prepared.by_key.items()}

    async def _call(self, number: int) -> Called:
        """One call."""
        channel: Any = self._channels[number % len(self._channels)]
        place = number % _PREPARED
        key = f"o-{uuid.uuid4()}"
        named = pb.IngestRequest(request_id=key).SerializeToString()
        begun = time.monotonic()
        try:
            # Bytes as they are: messages one behind the other are one message with the fields of both.
            answer = await channel.unary_unary(f"{SERVICE}/Ingest")(
                self._prepared.calls[place] + named, metadata=self._metadata, timeout=_CALL_SECONDS
            )
        except grpc.aio.AioRpcError as failed:
            self.figures.calls.failed(ApiError.of(failed))
            return Called(time.monotonic() - begun, key, "")
        seconds = time.monotonic() - begun
        self.figures.calls.acknowledged[self._prepared.rows[place].key] += 1
        state = pb.IngestResponse.FromString(answer).receipt.state
        return Called(seconds, key, ingest_pb2.Receipt.State.Name(state))

    async def _measure(self) -> None:
        end = time.monotonic() + self._push.measure_seconds
        taken: list[float] = []

        async def caller(first: int) -> None:
            for number in itertools.count(first, self._push.callers):
                if time.monotonic() >= end:
                    return
                called = await self._call(number)
                if called.state:
                    taken.append(called.seconds)

        begun = time.monotonic()
        await asyncio.gather(*(caller(each) for each in range(self._push.callers)))
        rate = len(taken) / (time.monotonic() - begun)
        self.figures.sustained_calls = rate
        mean = sum(one.count for one in self._prepared.rows) / _PREPARED
        self.figures.sustained_events = rate * mean
        await asyncio.sleep(1.0)  # merges of what was measured with
        usual = sorted([(await self._call(0)).seconds for _ in range(8)])
        self.figures.usual_seconds = usual[-2]

    async def _overload(self) -> None:
        end = time.monotonic() + self._push.seconds
        streams = [asyncio.create_task(self._stream(each, end)) for each in range(self._push.streams)]
        sent = await self._storm(end)
        self.figures.offered_times = sent / self._push.seconds / self.figures.sustained_calls
        self._ended_at = end
        self._rest += streams

    async def _storm(self, end: float) -> int:
        """Calls at the set rate until the moment `end`, then the answers of those under way."""
        rate = self._push.times * self.figures.sustained_calls
        calls: set[asyncio.Task[Called]] = set()
        begun, sent = time.monotonic(), 0

        def ended(task: asyncio.Task[Called]) -> None:
            calls.discard(task)
            called = task.result()
            figures = self.figures
            (figures.call_seconds if called.state else figures.refusal_seconds).append(called.seconds)

        while (now := time.monotonic()) < end:
            due = int((now - begun) * rate) - sent
            for _ in range(min(due, _OUTSTANDING_CALLS - len(calls))):
                task = asyncio.create_task(self._call(sent))
                calls.add(task)
                task.add_done_callback(ended)
                sent += 1
            await asyncio.sleep(_TICK_SECONDS)
        self._rest += calls
        return sent

    async def _stream(self, which: int, end: float) -> None:
        """Streams one after the other; each pushes batches as fast as it may."""
        while time.monotonic() < end:
            try:
                await self._one_stream(which, end)
            except grpc.aio.AioRpcError as failed:
                await asyncio.sleep(self.figures.batches.failed(ApiError.of(failed)))

    async def _one_stream(self, which: int, end: float) -> None:
        window, let_in = asyncio.Semaphore(_WINDOW), asyncio.Event()
        open_batches: dict[str, str] = {}
        channel: Any = self._channels[which % len(self._channels)]
        call = channel.stream_stream(f"{SERVICE}/IngestStream")(metadata=self._metadata)

        async def push() -> None:
            for number in itertools.count(which):
                await window.acquire()
                if time.monotonic() >= end:
                    break
                place, key = number % _PREPARED, f"o-{uuid.uuid4()}"
                open_batches[key] = self._prepared.streams[place].key
                request = pb.IngestStreamRequest(
                    platform=PLATFORM, table="events", batch_id=key, arrow_ipc=self._prepared.messages[place]
                )
                await call.write(request.SerializeToString())
                # Nothing more until it is let in, so that a refusal seldom meets a message on its way.
                await let_in.wait()
            await call.done_writing()

        pushing = asyncio.create_task(push())
        try:
            async for answer in call:
                let_in.set()
                window.release()
                self._answered(pb.IngestStreamResponse.FromString(answer), open_batches)
        finally:
            pushing.cancel()
            await asyncio.gather(pushing, return_exceptions=True)

    def _answered(self, answer: pb.IngestStreamResponse, open_batches: dict[str, str]) -> None:
        key = open_batches.pop(answer.batch_id)
        if answer.WhichOneof("outcome") == "receipt":
            self.figures.batches.acknowledged[key] += 1
        else:
            self.figures.batches.failed(ApiError.of_status(answer.error))

    async def _recover(self) -> None:
        limit = max(2 * self.figures.usual_seconds, 0.1)
        storing = asyncio.create_task(self._note_stored())
        steady = 0
        while time.monotonic() - self._ended_at < _CALL_SECONDS and steady < _STEADY_PROBES:
            called = await self._call(0)
            self.figures.probes.append((round(called.seconds, 3), called.state or "REFUSED"))
            steady = steady + 1 if called.seconds <= limit and called.state == "STORED" else 0
            if steady == 1:
                self.figures.recovered_seconds = round(time.monotonic() - self._ended_at, 2)
            await asyncio.sleep(0.05)
        if steady < _STEADY_PROBES:
            self.figures.recovered_seconds = -1.0
        await storing

    async def _note_stored(self) -> None:
        """Notes when everything that was acknowledged is in the table, the answers that are due included."""
        await asyncio.wait(self._rest, timeout=_CALL_SECONDS)
        open_calls = sum(not task.done() for task in self._rest)
        self.figures.calls.amiss.update({"without an answer": open_calls} if open_calls else {})
        # A last call is stored after all that were acknowledged before it.
        called = await self._acknowledged_call()
        await stored(self._channels[0], Tenant(PLATFORM, self._world.token), called.key)
        self.figures.stored_seconds = round(time.monotonic() - self._ended_at, 2)

    async def _acknowledged_call(self) -> Called:
        async with asyncio.timeout(_STORED_SECONDS):
            while not (called := await self._call(0)).state:
                await asyncio.sleep(0.2)
        return called

    @asynccontextmanager
    async def _sampled(self, peaks: dict[str, int]) -> AsyncIterator[None]:
        """Notes the most resident memory of each process while the block runs."""
        sampler = asyncio.create_task(self._sample(peaks))
        try:
            yield
        finally:
            sampler.cancel()
            await asyncio.gather(sampler, return_exceptions=True)

    async def _sample(self, peaks: dict[str, int]) -> None:
        while True:
            for name in self._world.targets:
                found = await asyncio.to_thread(self._world.find, name)
                size = resident_mib(found, whole=name == "postgres")
                peaks[name] = max(peaks.get(name, 0), size)
            await asyncio.sleep(_SAMPLE_SECONDS)


def resident_mib(process: ProcessIdentity | None, *, whole: bool = False) -> int:
    """Resident memory of a process in MiB, `whole` with its children; 0 where it is gone."""
    if process is None:
        return 0
    with suppress(psutil.Error):
        found = psutil.Process(process.pid)
        family = [found, *(found.children(recursive=True) if whole else [])]
        return sum(int(one.memory_info().rss) for one in family) // MIB
    return 0


def table(figures: Figures, bounds: dict[str, int]) -> str:
    """The figures in words."""
    lines = [
        f"sustained {figures.sustained_events:,.0f} events/s in {figures.sustained_calls:,.1f} calls/s; "
        f"offered {figures.offered_times:.1f} times that, and streams without end",
        f"acknowledged {figures.acknowledged_events:,} events; refused calls {dict(figures.calls.refused)}, "
        f"batches {dict(figures.batches.refused)}; amiss {dict(figures.calls.amiss + figures.batches.amiss)}",
        f"a call took {figures.usual_seconds:.3f} s before; again so {figures.recovered_seconds:.1f} s after "
        f"the end of the overload; all acknowledged by then was stored after {figures.stored_seconds:.1f} s",
        f"in it an acknowledged one took {spread(figures.call_seconds)}, a refused one "
        f"{spread(figures.refusal_seconds)}",
        f"after it: {[(seconds, state.lower()) for seconds, state in figures.probes[:20]]}",
        "process    before  highest  bound (MiB)",
        *(
            f"{name:<9} {figures.idle_mib.get(name, 0):>7} {peak:>8} {bounds[name]:>6}"
            for name, peak in figures.peak_mib.items()
        ),
    ]
    return "\n".join(lines)


def spread(seconds: Sequence[float]) -> str:
    """Their middle, 95th hundredth and highest in words."""
    if not seconds:
        return "(none)"
    ordered = sorted(seconds)
    high = ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]
    return f"{ordered[len(ordered) // 2]:.3f} s (p95 {high:.3f}, most {ordered[-1]:.3f})"


def promised(expected: dict[BatchOf, int]) -> Sequence[tuple[int, int]]:
    """Each event's number with how often it must be stored."""
    return [(number, count) for batch, count in expected.items() for number in batch.numbers().tolist()]
