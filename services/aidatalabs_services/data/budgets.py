"""How many rows a platform's queries may read in a day: reserved before a query runs, settled after it.

A query reserves what the engine expects it to read, and is refused where that is more than is left, so that
queries that start at the same moment cannot all take the same rest. What was read is kept in a small file.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aidatalabs_services.data.errors import QueryBudgetExceeded

_LOG = logging.getLogger(__name__)
_DAY_SECONDS = 86_400
# What a crash may forget: two seconds of reading.
_WRITE_SECONDS = 2.0


@dataclass(eq=False)
class Reservation:
    """Rows set aside for one query; `settle` says what it has read. Unsettled ones count as they stand."""

    rows: int
    read_rows: int | None = None

    def settle(self, read_rows: int) -> None:
        """The query has ended and read so many rows."""
        self.read_rows = read_rows

    def release(self) -> None:
        """The query never began."""
        self.read_rows = 0


class RowBudget:
    """The budget of every platform, by its uid; `limit_rows` 0 is none.

    `file` keeps what was read today (UTC). Times are seconds of `clock`, Unix time.
    """

    def __init__(self, limit_rows: int, file: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._limit_rows = limit_rows
        self._file = file
        self._clock = clock
        self._day = self._today()
        self._used: dict[str, int] = {}
        self._reserved: dict[str, int] = {}
        self._is_written = True
        self._writer: asyncio.Task[None] | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is a limit."""
        return self._limit_rows > 0

    async def start(self) -> None:
        """Reads what was used today and begins to keep it."""
        if self.is_set:
            self._used = await asyncio.to_thread(_read, self._file, self._day)
            self._writer = asyncio.create_task(self._write_now_and_then())

    async def close(self) -> None:
        """Writes what was used and stops."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
            await self._write()

    def left(self, uid: str) -> int | None:
        """Rows that may still be read today; None without a limit."""
        if not self.is_set:
            return None
        self._turn_day()
        return max(0, self._limit_rows - self._used.get(uid, 0) - self._reserved.get(uid, 0))

    @contextmanager
    def reserved(self, uid: str, estimated_rows: int) -> Iterator[Reservation]:
        """Sets rows aside while the block runs; afterwards what the reservation was settled with is used.

        A block that ends without settling has used what was set aside: a query that was stopped has read
        nobody knows how much. Raises QueryBudgetExceeded.
        """
        reservation = Reservation(max(1, estimated_rows))
        left = self.left(uid)
        if left is None:
            yield reservation
            return
        if reservation.rows > left:
            raise self._exceeded(uid, reservation.rows)
        self._reserved[uid] = self._reserved.get(uid, 0) + reservation.rows
        self._is_written = False
        try:
            yield reservation
        finally:
            self._settled(uid, reservation)

    def forget(self, uid: str) -> None:
        """Drops what a platform has used."""
        if self._used.pop(uid, None) is not None:
            self._is_written = False

    def used_by_platform(self) -> list[float]:
        """The share of the budget that each platform has used today, largest last; for metrics."""
        self._turn_day()
        return sorted(used / self._limit_rows for used in self._used.values()) if self.is_set else []

    def _settled(self, uid: str, reservation: Reservation) -> None:
        self._turn_day()
        rest = self._reserved.get(uid, 0) - reservation.rows
        if rest > 0:
            self._reserved[uid] = rest
        else:
            self._reserved.pop(uid, None)
        used = reservation.rows if reservation.read_rows is None else reservation.read_rows
        self._is_written = False
        if used:
            self._used[uid] = self._used.get(uid, 0) + used

    def _exceeded(self, uid: str, estimated_rows: int) -> QueryBudgetExceeded:
        return QueryBudgetExceeded(
            "The query would read more rows than this platform may still read today. Narrow it, accept an"
            " older result with max_staleness, or wait for midnight UTC.",
            metadata={
                "limit_rows": str(self._limit_rows),
                "used_rows": str(self._used.get(uid, 0) + self._reserved.get(uid, 0)),
                "estimated_rows": str(estimated_rows),
            },
            retry_after_seconds=max(1.0, (self._day + 1) * _DAY_SECONDS - self._clock()),
        )

    def _today(self) -> int:
        return int(self._clock() // _DAY_SECONDS)

    def _turn_day(self) -> None:
        """A new day begins with nothing used; queries that run still hold what they reserved."""
        if self._today() != self._day:
            self._day = self._today()
            self._used = {}
            self._is_written = False

    async def _write_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_WRITE_SECONDS)
            await self._write()

    async def _write(self) -> None:
        if self._is_written:
            return
        self._is_written = True
        # With what runs: after a kill nobody knows how much of it was read.
        rows = {uid: self._used.get(uid, 0) for uid in self._used | self._reserved}
        rows = {uid: used + self._reserved.get(uid, 0) for uid, used in rows.items()}
        text = json.dumps({"day": self._day, "used_rows": rows})
        try:
            await asyncio.to_thread(_replace, self._file, text)
        except OSError as error:
            self._is_written = False
            _LOG.warning("the used budget could not be written: %s", error.strerror)


def _read(file: Path, day: int) -> dict[str, int]:
    """What was used on this day; nothing where the file is of another day, missing or no such file."""
    try:
        kept = json.loads(file.read_text())
        if kept["day"] != day:
            return {}
        return {str(uid): int(rows) for uid, rows in kept["used_rows"].items() if int(rows) > 0}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        _LOG.warning("the file of the used budget cannot be read: the day begins anew")
        return {}


def _replace(file: Path, text: str) -> None:
    """Puts the text in the place of the file, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    made = file.with_suffix(".new")
    try:
        with made.open("w") as writer:
            writer.write(text)
            writer.flush()
            os.fsync(writer.fileno())
        made.replace(file)
    except OSError:
        with suppress(OSError):
            made.unlink()
        raise
