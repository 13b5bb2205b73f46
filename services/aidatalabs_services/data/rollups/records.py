"""What the engine knows of a platform's roll-ups: their hidden tables, each with its record as a comment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aidatalabs_services.data.column_types import quote_text
from aidatalabs_services.data.ports import Json, QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.rollups.declarations import Declaration
from aidatalabs_services.data.rollups.layout import PREFIX, comment_of, read_comment
from aidatalabs_services.data.rollups.progress import Progress
from aidatalabs_services.data.table_ddl import quoted

BUILDING, READY, FENCED = "BUILDING", "READY", "FENCED"
VIEW, SNAPSHOT = "_mv", "_src"
OWN = QueryLimits(30.0, 1_000_000, 64 * 1024**2, 64 * 1024**2, 10**12, 10**15)
_TARGET = re.compile(rf"{PREFIX}(.+)_([0-9]+)")
_FOUND = """
SELECT name, engine, comment, ifNull(total_rows, 0), ifNull(total_bytes, 0), toString(uuid)
FROM system.tables
WHERE database = currentDatabase() AND startsWith(name, '_rollup_')
"""
_EPOCHS = """
SELECT DISTINCT table, partition_id
FROM system.parts
WHERE database = currentDatabase() AND active AND startsWith(table, '_rollup_')
    AND match(partition_id, '^[0-9]+$')
"""


@dataclass(frozen=True)
class Record:
    """One generation of a roll-up as it is in the engine.

    `identity` is the engine's id of the table that it was made over; a generation replaces the ones before.
    `over` is the hidden table of states that it is made of, empty where it is made of rows. An asynchronous
    one that is ready has `progress`; `behind_rows` and `lag_seconds` are filled in for people alone.
    """

    declaration: Declaration
    state: str
    identity: str
    generation: int
    target: str
    row_count: int = 0
    size_bytes: int = 0
    over: str = ""
    progress: Progress | None = None
    behind_rows: int = 0
    lag_seconds: float = 0.0


@dataclass(frozen=True)
class Found:
    """The records of a platform, and every hidden table and view of roll-ups by name."""

    records: Sequence[Record]
    names: frozenset[str]


def target_name(name: str, generation: int) -> str:
    """The hidden table of one generation of a roll-up."""
    return f"{PREFIX}{name}_{generation}"


async def rows(warehouse: Warehouse, uid: str, sql: str) -> Sequence[Sequence[Json]]:
    """Rows of a statement of our own."""
    outcome = await warehouse.query(uid, sql, limits=OWN, query_id=new_query_id())
    return outcome.rows


async def rows_by_day(
    warehouse: Warehouse, uid: str, day: str, source: str, where: str = ""
) -> list[tuple[str, int]]:
    """The days there are and their rows, in order: `day` of what `where` leaves of `source` (all SQL)."""
    condition = f" WHERE {where}" if where else ""
    sql = f"SELECT toString({day}) AS d, count() FROM {source}{condition} GROUP BY d ORDER BY d"  # noqa: S608
    return [(str(each), int(count)) for each, count in await rows(warehouse, uid, sql)]


async def find(warehouse: Warehouse, uid: str) -> Found:
    """What is in the engine now."""
    records, names = [], set()
    for name, engine, comment, row_count, size, _ in await rows(warehouse, uid, _FOUND):
        names.add(name)
        matched = _TARGET.fullmatch(name)
        read = read_comment(comment) if matched and engine == "AggregatingMergeTree" else None
        if matched is None or read is None or read[0].name != matched[1]:
            continue
        declaration, state, identity, over, progress = read
        sizes = (int(row_count), int(size))
        records.append(Record(declaration, state, identity, int(matched[2]), name, *sizes, over, progress))
    return Found(await _whole(warehouse, uid, records), frozenset(names))


async def _whole(warehouse: Warehouse, uid: str, found: Sequence[Record]) -> Sequence[Record]:
    """The same; those that lack states their record lists, after a power loss say, are to be made anew."""
    if not any(each.progress for each in found):
        return found
    stored = {(str(table), int(number)) for table, number in await rows(warehouse, uid, _EPOCHS)}
    return [
        replace(each, state=BUILDING, progress=None)
        if each.progress and any((each.target, number) not in stored for number in each.progress.numbers)
        else each
        for each in found
    ]


async def remove(warehouse: Warehouse, uid: str, target: str) -> None:
    """Drops a generation: first the view, so that no insert fails, its record last."""
    for name in (f"{target}{VIEW}", f"{target}{SNAPSHOT}", target):
        await warehouse.execute(uid, f"DROP TABLE IF EXISTS {quoted(name)} SYNC", table=name)


def comment(record: Record) -> str:
    """The record as its hidden table's comment keeps it."""
    return comment_of(
        record.declaration,
        state=record.state,
        identity=record.identity,
        over=record.over,
        progress=record.progress,
    )


async def put(warehouse: Warehouse, uid: str, record: Record) -> None:
    """Writes a record anew; it is on disk when this returns."""
    sql = f"ALTER TABLE {quoted(record.target)} MODIFY COMMENT {quote_text(comment(record))}"
    await warehouse.execute(uid, sql, table=record.target)


async def inserts_running(warehouse: Warehouse, uid: str, table: str) -> int:
    """Inserts at work in the engine whose text names `table`, whoever began them."""
    sql = "SELECT count() FROM system.processes WHERE query_kind = 'Insert' AND position(query, {0}) > 0"
    sql = sql.format(quote_text(table))
    return int((await rows(warehouse, uid, sql))[0][0])
