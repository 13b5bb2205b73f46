"""Replay: rejected rows go through ingest once more, and those that are taken now are marked.

    letters not replayed ─► ingest, each under an id of its own ─► those taken are marked in the table

The id of a letter's call is made from the letter, so a replay that a crash cuts short between the two steps
stores nothing twice when it is repeated within the time that receipts are remembered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aidatalabs_services.data.column_types import quote_text
from aidatalabs_services.data.dead_letters.row_texts import read_row
from aidatalabs_services.data.errors import TableNotFound, TableProtected
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest import Ingestor
from aidatalabs_services.data.ingest_batches import MappingRows
from aidatalabs_services.data.ports import Json, QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.schema import Schema, SchemaCache
from aidatalabs_services.data.standard_tables import DEAD_LETTERS, is_dead_letters
from aidatalabs_services.data.table_ddl import quoted

_TABLE = quoted(DEAD_LETTERS.name)
_PAGE_BYTES = 8 * 1024 * 1024
_AT_ONCE = 256
_STORE_SECONDS = 2.0
_POLL_SECONDS = 0.01
_LONGEST_POLL_SECONDS = 0.5
_UNMARKED = (
    "SELECT count() FROM system.mutations WHERE database = currentDatabase() "
    "AND table = 'dead_letters' AND NOT is_done AND NOT is_killed"
)
MOST_LISTED = 100


@dataclass(frozen=True)
class Choice:
    """Which letters: every condition that is set must hold; times in Unix milliseconds."""

    table: str = ""
    reason: str = ""
    start_ms: int | None = None
    end_ms: int | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class RefusedLetter:
    """A letter that was refused again."""

    id: str
    reason: str
    message: str


@dataclass(frozen=True)
class Replayed:
    """What became of one page of letters; `last_id` is where the next page begins, empty after the last."""

    accepted_count: int
    rejected: Sequence[RefusedLetter]
    gone_count: int
    remaining_count: int
    last_id: str


@dataclass(frozen=True)
class _Letter:
    id: str
    table: str
    text: str
    is_cut: bool


class Replays:
    """Replays of every platform, by its uid; one at a time of each."""

    def __init__(
        self,
        warehouse: Warehouse,
        schemas: SchemaCache,
        ingestor: Ingestor,
        holds: TableHolds,
        limits: QueryLimits,
    ) -> None:
        self._warehouse = warehouse
        self._schemas = schemas
        self._ingestor = ingestor
        self._holds = holds
        self._limits = limits

    async def replay(self, uid: str, platform: str, choice: Choice, *, count: int, after: str) -> Replayed:
        """Sends at most `count` of the chosen letters again, in the order of their ids, those behind `after`.

        Raises as `Ingestor.ingest` does where rows cannot be taken now; what was taken before is marked.
        """
        table = (await self._schemas.get(uid)).get(DEAD_LETTERS.name)
        if table is None or not is_dead_letters(table):
            return Replayed(0, (), len(set(choice.ids)) if not after else 0, 0, "")
        await self._ingestor.drained(uid, DEAD_LETTERS.name)
        # Held, so that no letter is sent by two replays, nor while its person's data is being deleted.
        async with self._holds.alone(uid, DEAD_LETTERS.name):
            # With ids, what is missing is counted once: they fit one call but for their bytes.
            letters, rest = await self._page(uid, choice, count, after)
            gone = 0
            if choice.ids and not after:
                gone = len(set(choice.ids)) - len(letters) - rest
            schema = await self._schemas.get(uid)
            outcomes = await self._send(uid, platform, letters, schema)
            taken = [letter.id for letter, outcome in zip(letters, outcomes, strict=True) if outcome is None]
            if taken:
                await self._mark(uid, taken)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        await self._stored(uid, {letter.table for letter in letters})
        refused = [outcome for outcome in outcomes if isinstance(outcome, RefusedLetter)]
        return Replayed(len(taken), refused, gone, rest, letters[-1].id if rest else "")

    async def _stored(self, uid: str, tables: Iterable[str]) -> None:
        """Waits a little, so that who asks next mostly finds the rows in their tables."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STORE_SECONDS):
                await asyncio.gather(*(self._ingestor.drained(uid, table) for table in tables))

    async def _page(self, uid: str, choice: Choice, count: int, after: str) -> tuple[Sequence[_Letter], int]:
        """The next letters, and how many are behind them."""
        where = _condition(choice, after)
        sizes = await self._rows(uid, f"SELECT id, length(row_json) {where} ORDER BY id LIMIT {count:d}")
        ids: list[str] = []
        size = 0
        for letter_id, length in sizes:
            size += int(length)
            if ids and size > _PAGE_BYTES:
                break
            ids.append(str(letter_id))
        if not ids:
            return (), 0
        behind = await self._rows(uid, f"SELECT count() {where} AND id > {quote_text(ids[-1])}")
        these = _condition(Choice(ids=tuple(ids)), "")
        rows = await self._rows(uid, f"SELECT id, table_name, row_json, is_cut {these} ORDER BY id")
        letters = [_Letter(str(row[0]), str(row[1]), str(row[2]), bool(row[3])) for row in rows]
        return letters, int(behind[0][0])

    async def _send(
        self, uid: str, platform: str, letters: Sequence[_Letter], schema: Schema
    ) -> Sequence[RefusedLetter | Exception | None]:
        """By letter: None where it was taken, why it was refused, or why nothing can be taken now."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(letter: _Letter) -> RefusedLetter | Exception | None:
            try:
                async with places:
                    return await self._send_one(uid, platform, letter, schema)
            except Exception as error:  # noqa: BLE001 - raised when those that were taken are marked
                return error

        return await asyncio.gather(*(one(letter) for letter in letters))

    async def _send_one(
        self, uid: str, platform: str, letter: _Letter, schema: Schema
    ) -> RefusedLetter | None:
        if letter.is_cut:
            return RefusedLetter(letter.id, "ROW_CUT", "only the beginning of the row is kept")
        table = schema.get(letter.table)
        types: Mapping[str, str] = table.types if table is not None else {}
        row = read_row(letter.text, [name for name, kind in types.items() if kind.startswith("JSON")])
        if row is None:
            return RefusedLetter(letter.id, "ROW_INVALID", "what is kept of the row is no JSON object")
        try:
            receipt = await self._ingestor.ingest(
                uid, platform, letter.table, f"dead-letter-{letter.id}", MappingRows([row]), replayed=True
            )
        except (TableNotFound, TableProtected) as error:
            return RefusedLetter(letter.id, error.reason, error.message)
        if receipt.rejected:
            return RefusedLetter(letter.id, receipt.rejected[0].reason, receipt.rejected[0].message)
        return None

    async def _mark(self, uid: str, ids: Sequence[str]) -> None:
        await self._warehouse.execute(
            uid,
            f"ALTER TABLE {_TABLE} UPDATE replayed_at = now64(3, 'UTC') "
            f"WHERE id IN ({_listed(ids)}) AND replayed_at IS NULL",
            table=DEAD_LETTERS.name,
        )
        pause = _POLL_SECONDS
        while (await self._rows(uid, _UNMARKED))[0][0]:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_POLL_SECONDS)

    async def _rows(self, uid: str, sql: str) -> Sequence[Sequence[Json]]:
        outcome = await self._warehouse.query(uid, sql, limits=self._limits, query_id=new_query_id())
        return outcome.rows


def _condition(choice: Choice, after: str) -> str:
    """What stands behind the columns: FROM and WHERE, every value quoted."""
    parts = ["replayed_at IS NULL"]
    if choice.table:
        parts.append(f"table_name = {quote_text(choice.table)}")
    if choice.reason:
        parts.append(f"reason = {quote_text(choice.reason)}")
    if choice.start_ms is not None:
        parts.append(f"rejected_at >= fromUnixTimestamp64Milli({choice.start_ms:d}, 'UTC')")
    if choice.end_ms is not None:
        parts.append(f"rejected_at < fromUnixTimestamp64Milli({choice.end_ms:d}, 'UTC')")
    if choice.ids:
        parts.append(f"id IN ({_listed(choice.ids)})")
    if after:
        parts.append(f"id > {quote_text(after)}")
    return f"FROM {_TABLE} WHERE {' AND '.join(parts)}"


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(map(quote_text, ids))
