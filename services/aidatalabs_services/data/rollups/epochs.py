"""Epochs of an asynchronous roll-up in the engine: written from blocks of the table, put together, dropped.

Blocks have numbers that the engine gives in the order in which they become visible: to a table that is not
replicated it gives the number and shows the part under one lock, so when a block is there, so is every block
below it that ever will be. A merge keeps each row's number from the moment on when the table is told to
(`enable_block_number_column`). Of rows that merged before only "not above the highest block" is asked, which
holds of them whatever their number says.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from aidatalabs_services.data.column_types import quote_text
from aidatalabs_services.data.errors import RollupInvalid
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.rollups import records
from aidatalabs_services.data.rollups.declarations import BLOCK
from aidatalabs_services.data.rollups.layout import (
    EPOCH,
    Layout,
    block_condition,
    day_ranges,
    select_states,
)
from aidatalabs_services.data.rollups.progress import Epoch, Progress, new_number
from aidatalabs_services.data.table_ddl import quoted
from aidatalabs_services.runtime.errors import FieldViolation

PIECE_ROWS = 1_000_000
# As long as the engine lets a statement run; one that is given up here goes on there until then.
_PIECE_SECONDS = 60
# `remove_empty_parts`: where all rows of the newest part expire, an engine that starts would count blocks
# from the beginning again, and new rows would look like those of long ago. The empty part holds the number.
_KEEPING = ("enable_block_number_column = 1", "remove_empty_parts = 0")
_PARTS = """
SELECT min_block_number, max_block_number, rows
FROM system.parts
WHERE database = currentDatabase() AND active AND table = {table} AND max_block_number > {above}
ORDER BY max_block_number
"""
_LOAD = """
SELECT
    (SELECT max(value) FROM system.metrics WHERE metric = 'MemoryTracking'),
    (SELECT max(toFloat64OrZero(value)) FROM system.server_settings WHERE name = 'max_server_memory_usage'),
    (SELECT count() FROM system.processes WHERE query_kind = 'Select' AND query_id != currentQueryID())
"""


@dataclass(frozen=True)
class Blocks:
    """The blocks (above, upto] of a table; they have at most `most_rows`. `top` is the highest there is."""

    above: int
    upto: int
    top: int
    most_rows: int


@dataclass(frozen=True)
class Load:
    """Share of its memory that an engine uses, and how many SELECTs it runs."""

    memory_share: float
    reading: int


class Epochs:
    """Writes with one thread, with the memory of one query, in pieces of at most about `piece_rows` rows."""

    def __init__(self, warehouse: Warehouse, *, piece_rows: int = PIECE_ROWS) -> None:
        self._warehouse = warehouse
        self.piece_rows = piece_rows

    async def keep_blocks(self, uid: str, table: str) -> Blocks:
        """From here on the table keeps the number of each row's block; returns all blocks that are there.

        Idempotent. Raises RollupInvalid where rows of the table have numbers from elsewhere.
        """
        wanted = f"SELECT engine, engine_full FROM system.tables WHERE {_is(table)}"  # noqa: S608 - quoted
        for engine, described in await records.rows(self._warehouse, uid, wanted):
            if engine != "MergeTree":
                raise _not_followed("its engine changes rows after they came")
            missing = [each for each in _KEEPING if each not in described]
            if missing:
                sql = f"ALTER TABLE {quoted(table)} MODIFY SETTING {', '.join(missing)}"
                await self._warehouse.execute(uid, sql, table=table)
        there = await self._blocks(uid, table, 0, None)
        asked = f"SELECT max({quoted(BLOCK)}) FROM {quoted(table)}"  # noqa: S608 - quoted
        highest = int((await records.rows(self._warehouse, uid, asked))[0][0])
        if highest > (await self._blocks(uid, table, 0, None)).top:
            raise _not_followed("its rows were brought from another table with their blocks' numbers")
        return there

    async def next_blocks(self, uid: str, table: str, above: int, *, piece_rows: int) -> Blocks:
        """The blocks above one that are worth one piece; `upto` is `above` where there are none."""
        return await self._blocks(uid, table, above, piece_rows)

    async def _blocks(self, uid: str, table: str, above: int, most: int | None) -> Blocks:
        sql = _PARTS.format(table=quote_text(table), above=int(above))
        parts = [tuple(map(int, row)) for row in await records.rows(self._warehouse, uid, sql)]
        upto, held, top = above, 0, parts[-1][1] if parts else above
        for _, last, count in parts:
            if most is not None and held and held + count > most:
                break
            upto, held = last, held + count
        # Of a part that goes on beyond it any number of rows may be of these blocks.
        held += sum(count for first, last, count in parts if first <= upto < last)
        return Blocks(above, upto, top, held)

    async def make(
        self, uid: str, layout: Layout, target: str, blocks: Blocks, *, piece_rows: int
    ) -> Epoch | None:
        """The states of some blocks as an epoch that is in no record yet; None where they have no rows."""
        number = new_number()
        table = quoted(layout.table.name)
        pieces = [block_condition(blocks.above, blocks.upto)]
        if blocks.most_rows > piece_rows:
            pieces = await self._by_days(uid, layout, table, pieces[0], piece_rows)
        for piece in pieces:
            await self._insert(uid, target, select_states(layout, table, piece), number)
        return await self._counted(uid, target, number)

    async def _by_days(self, uid: str, layout: Layout, source: str, where: str, piece_rows: int) -> list[str]:
        """Conditions over `source` (SQL) for days that together hold about so many rows of those `where`.

        A day that alone has more is cut into as many as 24.
        """
        time = quoted(layout.declaration.time_column)
        day = f"toDate32({time})"
        days = await records.rows_by_day(self._warehouse, uid, day, source, where)
        pieces = []
        counts = dict(days)
        for first, last in day_ranges(days, piece_rows):
            piece = f"{where} AND {day} BETWEEN '{first}' AND '{last}'"
            parts = min(24, -(-counts[first] // piece_rows)) if first == last and layout.has_hours else 1
            cuts = [24 * index // parts for index in range(parts + 1)]
            pieces += [
                f"{piece} AND toHour({time}) BETWEEN {begin} AND {end - 1}" if parts > 1 else piece
                for begin, end in pairwise(cuts)
            ]
        return pieces

    async def fold(self, uid: str, layout: Layout, target: str, old: tuple[Epoch, ...]) -> Epoch | None:
        """The states of several epochs as one that is in no record yet; the engine merges them later."""
        number = new_number()
        columns = [
            quoted(layout.declaration.time_column),
            *(quoted(each.column) for each in layout.dimensions),
        ]
        columns += [quoted(each.name) for each in layout.states]
        numbers = ", ".join(str(each.number) for each in old)
        pieces = [f"{quoted(EPOCH)} IN ({numbers})"]
        if sum(each.row_count for each in old) > self.piece_rows:
            pieces = await self._by_days(uid, layout, quoted(target), pieces[0], self.piece_rows)
        for piece in pieces:
            states = f"SELECT {', '.join(columns)} FROM {quoted(target)} WHERE {piece}"  # noqa: S608 - quoted
            await self._insert(uid, target, states, number)
        return await self._counted(uid, target, number)

    async def _insert(self, uid: str, target: str, states: str, number: int) -> None:
        sql = (
            f"INSERT INTO {quoted(target)} SETTINGS max_threads = 1, insert_deduplicate = 0, "  # noqa: S608
            f"max_execution_time = {_PIECE_SECONDS} "
            f"SELECT *, toUInt64({number}) FROM ({states})"
        )
        await self._warehouse.execute(uid, sql, table=target)

    async def _counted(self, uid: str, target: str, number: int) -> Epoch | None:
        held = {each.number: each.row_count for each in await self.stored(uid, target)}
        return Epoch(number, held[number]) if held.get(number) else None

    async def stored(self, uid: str, target: str) -> list[Epoch]:
        """Every epoch that has rows of states, whether it counts or not."""
        sql = (
            "SELECT partition_id, sum(rows) FROM system.parts "  # noqa: S608 - quoted
            f"WHERE {_is(target, 'table')} AND active GROUP BY partition_id HAVING sum(rows) > 0"
        )
        return [Epoch(int(name), int(count)) for name, count in await records.rows(self._warehouse, uid, sql)]

    async def drop(self, uid: str, target: str, number: int) -> None:
        """Drops an epoch that nobody reads. Idempotent."""
        sql = f"ALTER TABLE {quoted(target)} DROP PARTITION ID '{int(number)}'"
        await self._warehouse.execute(uid, sql, table=target)

    async def behind(self, uid: str, table: str, progress: Progress) -> int:
        """Rows of the table that are in no epoch yet."""
        where = block_condition(progress.watermark) if progress.watermark else "1"
        sql = f"SELECT count() FROM {quoted(table)} WHERE {where}"  # noqa: S608 - quoted
        return int((await records.rows(self._warehouse, uid, sql))[0][0])

    async def load(self, uid: str) -> Load:
        """What the platform's engine is busy with."""
        found = await records.rows(self._warehouse, uid, _LOAD)
        used, most, reading = map(float, found[0])
        return Load(used / most if most else 0.0, int(reading))


def _is(table: str, column: str = "name") -> str:
    return f"database = currentDatabase() AND {column} = {quote_text(table)}"


def _not_followed(why: str) -> RollupInvalid:
    wrong = FieldViolation("rollup.maintenance", f"must be SYNCHRONOUS over this table: {why}")
    return RollupInvalid(
        f"The roll-up cannot be made: {wrong.field} {wrong.description}.", violations=[wrong]
    )
