"""Copies of some rows of a table: as it is laid out now, and with a change."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from aidatalabs_services.data.budgets import RowBudget
from aidatalabs_services.data.errors import TableInvalid
from aidatalabs_services.data.layouts.changes import number_range
from aidatalabs_services.data.ports import Json, QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.table_ddl import create_table, quoted
from aidatalabs_services.runtime.errors import DeadlineExceeded, Overloaded, ServiceUnavailable

_GRANULE_ROWS = 8192
_RESULT_BYTES = 4 * 1024**2
_LEAST_SECONDS = 0.5
# Blocks of a copy: merged afterwards, so that parts are few however they came.
_BLOCK_ROWS, _BLOCK_BYTES = 262_144, 64 * 1024**2
_PARTS = """
SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts
WHERE database = currentDatabase() AND active GROUP BY table
"""


@dataclass(frozen=True)
class CopyLimits:
    """Most rows and bytes on disk that are copied of a table, and memory of one statement."""

    sample_rows: int
    sample_bytes: int
    memory_bytes: int


@dataclass(frozen=True)
class Sample:
    """What a measurement is over; sizes are bytes on disk, `granule_step` 1 means every row."""

    row_count: int
    table_row_count: int
    size_bytes: int
    table_size_bytes: int
    column_count: int
    table_column_count: int
    granule_step: int


@dataclass(frozen=True)
class Copy:
    """A hidden table; `seconds` is what inserting its rows took."""

    schema: TableSchema
    row_count: int
    size_bytes: int
    seconds: float

    @property
    def name(self) -> str:
        """What it is called in the engine."""
        return self.schema.name


class Copies:
    """Makes the copies of one measurement; their names begin with `prefix`.

    `until` is the loop's time by which all of it must be done; rows that are read count against `budget`.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        budget: RowBudget,
        uid: str,
        prefix: str,
        limits: CopyLimits,
        until: float,
    ) -> None:
        self._warehouse = warehouse
        self._budget = budget
        self._uid = uid
        self._prefix = prefix
        self._limits = limits
        self._until = until

    def named(self, word: str) -> str:
        """The name of a hidden table."""
        return f"{self._prefix}{word}"

    async def cloned(self, table: TableSchema) -> TableSchema:
        """The table's parts of this moment under a hidden name: links, so that no byte is copied.

        What is copied out of it names no table of the platform: nobody takes it for an insert that runs.
        """
        name = self.named("source")
        await self.execute(f"CREATE TABLE {quoted(name)} CLONE AS {quoted(table.name)}", name)
        return replace(table, name=name)

    def step(self, row_count: int, size_bytes: int) -> int:
        """Every how many-th granule fits."""
        rows = -(-row_count // self._limits.sample_rows)
        return max(1, rows, -(-size_bytes // self._limits.sample_bytes))

    async def empty(self, schema: TableSchema, word: str, clauses: Sequence[str] = ()) -> TableSchema:
        """An empty hidden table with this description."""
        made = replace(schema, name=self.named(word), ttl="", comment="")
        ddl = create_table(made, fsync=False, deduplication_window=0, clauses=clauses)
        await self.execute(ddl, made.name)
        return made

    async def filled(self, made: TableSchema, source: str, *, step: int = 1, rows: int) -> Copy:
        """Fills an empty copy with every `step`-th granule of `source`, about so many rows, and merges it.

        Raises Overloaded where it cannot be done in time.
        """
        begun = asyncio.get_running_loop().time()
        with self._budget.reserved(self._uid, rows) as reservation:
            await self.execute(self._insert(made, source, step), made.name)
            seconds = asyncio.get_running_loop().time() - begun
            reservation.settle(rows)
        await self.execute(f"OPTIMIZE TABLE {quoted(made.name)} FINAL", made.name)
        count, size = (await self.sizes()).get(made.name, (0, 0))
        return Copy(made, count, size, seconds)

    def _insert(self, made: TableSchema, source: str, step: int) -> str:
        columns = ", ".join(map(quoted, made.types))
        settings = {
            "max_threads": 1,
            "max_insert_threads": 1,
            "max_memory_usage": self._limits.memory_bytes,
            "max_execution_time": round(self.seconds_left(), 3),
            "min_insert_block_size_rows": _BLOCK_ROWS,
            "min_insert_block_size_bytes": _BLOCK_BYTES,
            "max_partitions_per_insert_block": 0,
        }
        words = ", ".join(f"{name} = {value}" for name, value in settings.items())
        some = ""
        if step > 1:
            some = f" WHERE (intDiv(_part_offset, {_GRANULE_ROWS}) + cityHash64(_part)) % {step} = 0"
            some += f" LIMIT {2 * self._limits.sample_rows}"
        return (
            f"INSERT INTO {quoted(made.name)} ({columns}) SETTINGS {words} "  # noqa: S608 - quoted names
            f"SELECT {columns} FROM {quoted(source)}{some}"
        )

    async def misfits(self, source: str, column: str, kind: str) -> int:
        """Values of all rows that a smaller type cannot hold."""
        held = number_range(kind)
        if held is None:
            return 0
        name = quoted(column)
        sql = f"SELECT countIf({name} < {held[0]} OR {name} > {held[1]}) FROM {quoted(source)}"  # noqa: S608
        return int(str((await self.rows(sql))[0][0]))

    async def sizes(self) -> dict[str, tuple[int, int]]:
        """Rows and bytes on disk of every table."""
        return {str(name): (int(str(rows)), int(str(size))) for name, rows, size in await self.rows(_PARTS)}

    async def rows(self, sql: str) -> Sequence[Sequence[Json]]:
        """Rows of a statement of our own."""
        memory = self._limits.memory_bytes
        limits = QueryLimits(self.seconds_left(), 100_000, _RESULT_BYTES, memory, 10**12, 10**15)
        return (await self._warehouse.query(self._uid, sql, limits=limits, query_id=new_query_id())).rows

    async def drop(self, name: str) -> None:
        """Drops a copy."""
        await self._warehouse.execute(self._uid, f"DROP TABLE IF EXISTS {quoted(name)} SYNC", table=name)

    async def execute(self, sql: str, name: str) -> None:
        """Runs a statement of our own over a hidden table. Raises Overloaded where it cannot be done now."""
        try:
            async with asyncio.timeout(self.seconds_left()):
                await self._warehouse.execute(self._uid, sql, table=name)
        except (TimeoutError, DeadlineExceeded, Overloaded, ServiceUnavailable, TableInvalid) as error:
            raise Overloaded(
                "A copy of some rows could not be made in the time there was. Try again later.",
                retry_after_seconds=30.0,
            ) from error

    def seconds_left(self) -> float:
        """What is left of the time."""
        return max(_LEAST_SECONDS, self._until - asyncio.get_running_loop().time())


def narrowed(table: TableSchema, wanted: Collection[str]) -> TableSchema:
    """The table with the columns that are needed: `wanted`, those of its key and of its partitions."""
    partition = table.partition_by.rpartition("(")[2].rstrip(")")
    needed = {*wanted, *table.order_by, partition}
    columns = tuple(each for each in table.columns if each.name in needed) or table.columns[:1]
    return replace(table, columns=columns)
