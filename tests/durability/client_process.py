"""A client that sends batches through the SDK until it is told to stop, or is killed and started again.

    python client_process.py PATH ADDRESS PLATFORM SEED LOG STOP      the token comes in DRILL_TOKEN

What it did is in the file LOG, which outlives it: `begun N`, `acked N`, `refused CODE REASON TEXT`, `stored`.
Started again it reads the file and sends first what was begun and has no receipt, under the same ids. When
the file STOP is there it sends no new batch, and ends when every one it began is acknowledged and in the
table.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_client import Client
from aidatalabs_client.errors import ApiError
from aidatalabs_client.streamed_ingest import Batch, StreamedIngest
from tests.durability.events import ROWS, STREAM, BatchOf

_CALLERS = 8
_WINDOW = 8
_PAUSE_SECONDS = {ROWS: 0.03, STREAM: 0.015}
_AGAIN_SECONDS = 0.1
_STORED_SECONDS = 240.0


class Log:
    """What this client began and what was acknowledged, in a file that survives its kill."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.entries = LogEntries.of(path)

    def note(self, *words: object) -> None:
        """One line, whole or not at all."""
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


@dataclass(frozen=True)
class LogEntries:
    """A log as it is read: batches begun, batches acknowledged, refusals by
    `CODE REASON`, and whether all of it is in the table."""

    begun: frozenset[int]
    acknowledged: frozenset[int]
    refused: Counter[str]
    stored: bool = False

    @classmethod
    def of(cls, path: Path) -> LogEntries:
        """What is in the file; nothing where there is none yet."""
        with suppress(FileNotFoundError):
            lines = path.read_text().splitlines()
            words = [line.partition(" ") for line in lines]
            refused = [rest.split(" ", 2)[:2] for word, _, rest in words if word == "refused"]
            return cls(
                frozenset(int(rest) for word, _, rest in words if word == "begun"),
                frozenset(int(rest) for word, _, rest in words if word == "acked"),
                Counter(map(" ".join, refused)),
                "stored" in lines,
            )
        return cls(frozenset(), frozenset(), Counter())


class Work:
    """Batches in order: first those begun before, then new ones until the file `stop` is there."""

    def __init__(self, seed: int, path: str, log: Log, stop: Path) -> None:
        self._seed, self._path, self._log, self._stop = seed, path, log, stop
        begun = log.entries.begun
        self._again = sorted(begun - log.entries.acknowledged)
        self._next = max(begun, default=-1) + 1
        self.last = max(begun, default=0)

    def batches(self) -> Iterator[BatchOf]:
        """Each batch, noted as begun before it is handed out."""
        for number in self._again:
            yield BatchOf(self._seed, self._path, number)
        while not self._stop.exists():
            number, self._next = self._next, self._next + 1
            self.last = max(self.last, number)
            self._log.note("begun", number)
            yield BatchOf(self._seed, self._path, number)


async def send_rows(client: Client, platform: str, work: Work, log: Log) -> None:
    """Unary calls, several at a time."""
    batches = work.batches()

    async def caller() -> None:
        for batch in batches:
            request = pb.IngestRequest(platform=platform, request_id=batch.key, events=batch.messages())
            while True:
                try:
                    receipt = await client.ingest(request)
                except ApiError as error:
                    await refused(log, error)
                else:
                    break
            acknowledge(log, receipt, batch)
            await asyncio.sleep(_PAUSE_SECONDS[ROWS])

    await asyncio.gather(*(caller() for _ in range(_CALLERS)))


async def send_stream(client: Client, platform: str, work: Work, log: Log) -> None:
    """One stream of batches, and the next when the SDK gives one up: it begins behind the last receipt."""
    source = work.batches()
    open_batches: dict[str, BatchOf] = {}

    def batches() -> Iterator[Batch]:
        # Those without a receipt first: the stream before this one was given up by the SDK.
        for batch in [*open_batches.values()]:
            yield Batch(batch.key, batch.arrow(), batch.count, 0)
        for batch in source:
            open_batches[batch.key] = batch
            time.sleep(_PAUSE_SECONDS[STREAM])
            yield Batch(batch.key, batch.arrow(), batch.count, 0)

    while True:
        stream = StreamedIngest(platform, "events", batches(), window=_WINDOW)
        # What `ingest_arrow` does, with ids of our own.
        opened, renewed = client._resumable(client._data.IngestStream)
        try:
            async with aclosing(stream.receipts(opened, renewed, 20.0)) as receipts:
                async for receipt, batch in receipts:
                    acknowledge(log, receipt, open_batches.pop(batch.batch_id))
            return
        except ApiError as error:
            await refused(log, error)


def acknowledge(log: Log, receipt: ingest_pb2.Receipt, batch: BatchOf) -> None:
    """Notes a receipt, which must be one of all events of the batch."""
    if receipt.accepted_count != batch.count or receipt.rejected_count:
        log.note("refused", "WRONG_RECEIPT", f"{receipt.accepted_count}/{batch.count}")
    log.note("acked", batch.number)


async def refused(log: Log, error: ApiError) -> None:
    """Notes what the SDK raised at last, and waits before the batch is sent again."""
    log.note("refused", error.code, error.reason or "-", str(error).replace("\n", " ")[:300])
    await asyncio.sleep(error.retry_after_seconds or _AGAIN_SECONDS)


async def wait_until_stored(client: Client, platform: str, batch: BatchOf, log: Log) -> None:
    """Returns when the batch is in the table, and so is all that was acknowledged before it."""
    end = time.monotonic() + _STORED_SECONDS
    while time.monotonic() < end:
        try:
            receipt = await client.get_receipt(platform, batch.key)
        except ApiError as error:
            await refused(log, error)
            continue
        if receipt.state == ingest_pb2.Receipt.STORED:
            log.note("stored")
            return
        await asyncio.sleep(0.05)


async def main(path: str, address: str, platform: str, seed: int, log_file: Path, stop: Path) -> None:
    """Sends until told to stop, then waits for the last batch."""
    log = Log(log_file)
    work = Work(seed, path, log, stop)
    async with Client(address, os.environ["DRILL_TOKEN"]) as client:
        await (send_rows if path == ROWS else send_stream)(client, platform, work, log)
        await wait_until_stored(client, platform, BatchOf(seed, path, work.last), log)


if __name__ == "__main__":
    asyncio.run(
        main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]), Path(sys.argv[6]))
    )
