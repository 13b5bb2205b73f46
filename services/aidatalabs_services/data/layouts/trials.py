"""One measurement: the copy as it is, then each change by itself, the query over both in turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlglot import exp

from aidatalabs_services.data.admission import Admitted
from aidatalabs_services.data.budgets import RowBudget
from aidatalabs_services.data.errors import ColumnNotKnown
from aidatalabs_services.data.layouts.changes import (
    Change,
    ProjectionChange,
    RollupChange,
    TypeChange,
    changed,
    named_columns,
    statement,
)
from aidatalabs_services.data.layouts.comparisons import MOST_ROWS, Comparison, Runs
from aidatalabs_services.data.layouts.copies import Copies, Copy, Sample, narrowed
from aidatalabs_services.data.ports import QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.rollups.layout import create_target, layout_of, select_states
from aidatalabs_services.data.rollups.records import READY, Record
from aidatalabs_services.data.rollups.rewriter import parsed, written
from aidatalabs_services.data.rollups.serving import EXACT, Serving
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.table_ddl import quoted
from aidatalabs_services.runtime.errors import Overloaded, ServiceError

_TIME = "It was not run: the time of the call was nearly over."


@dataclass(frozen=True)
class Trial:
    """A change, measured; without `comparison` it was not run, and `refusal` says why."""

    statement: str
    comparison: Comparison | None = None
    before_bytes: int = 0
    after_bytes: int = 0
    before_seconds: float = 0.0
    after_seconds: float = 0.0
    refusal: str = ""


class Trials:
    """The trials of one measurement; see `layouts`."""

    def __init__(
        self,
        copies: Copies,
        warehouse: Warehouse,
        budget: RowBudget,
        query: Admitted,
        table: TableSchema,
        limits: QueryLimits,
        until: float,
    ) -> None:
        self._copies = copies
        self._warehouse = warehouse
        self._query = query
        self._table = table
        self._limits = limits
        self._database = warehouse.database_of(query.uid)
        self._runs = Runs(warehouse, budget, query.uid, limits, until)
        self._rows = 1
        self._turn_seconds = 0.0
        self._insert_seconds = 0.0

    async def all(self, changes: Sequence[Change]) -> tuple[Sample, tuple[Trial, ...]]:
        """Makes the copies, runs everything, drops what it does not need any more."""
        source = await self._copies.cloned(self._table)
        misfits = [await self._misfit(source.name, change) for change in changes]
        base, sample = await self._base(source, changes)
        await self._copies.drop(source.name)
        self._rows = max(1, base.row_count)
        first = await self._runs.once(self._over(base.name), self._rows)
        self._turn_seconds, self._rows = first.elapsed_seconds, max(1, first.read_rows)
        if first.truncated:
            told = f"The result has more than {MOST_ROWS:,} rows, too many to compare."
            return sample, tuple(self._refused(change, told) for change in changes)
        again = await self._copy(base, base.schema, "again", ())
        await self._copies.drop(again.name)
        self._insert_seconds = again.seconds
        trials = []
        for change, misfit in zip(changes, misfits, strict=True):
            trials.append(self._refused(change, misfit) if misfit else await self._trial(change, base))
        return sample, tuple(trials)

    async def _misfit(self, source: str, change: Change) -> str:
        """Why a type cannot hold what all rows hold; empty where it can."""
        if not isinstance(change, TypeChange):
            return ""
        try:
            count = await self._copies.misfits(source, change.column, change.type)
        except ServiceError:
            return "Whether all rows fit could not be read in the time there was."
        return f"{count:,} of the table's values do not fit into {change.type}." if count else ""

    async def _base(self, source: TableSchema, changes: Sequence[Change]) -> tuple[Copy, Sample]:
        rows, size = (await self._copies.sizes()).get(source.name, (0, 0))
        step = self._copies.step(rows, size)
        read = {column for table, column in self._query.statement.columns if table == self._table.name}
        wanted = {name.partition(".")[0] for name in read}.union(*map(named_columns, changes))
        whole = any(isinstance(each, ProjectionChange) and each.takes_all for each in changes)
        schema = await self._fitting(self._table if whole else narrowed(self._table, wanted))
        base = await self._copies.filled(schema, source.name, step=step, rows=rows // step)
        return base, Sample(
            base.row_count,
            rows,
            base.size_bytes,
            size,
            len(schema.columns),
            len(self._table.columns),
            step,
        )

    async def _fitting(self, narrow: TableSchema) -> TableSchema:
        """An empty copy that has every column of the query; with all of them where some cannot be told."""
        made = await self._copies.empty(narrow, "base")
        try:
            await self._described(self._over(made.name))
        except ColumnNotKnown:
            await self._copies.drop(made.name)
            made = await self._copies.empty(self._table, "base")
        return made

    async def _copy(self, base: Copy, schema: TableSchema, word: str, clauses: Sequence[str]) -> Copy:
        made = await self._copies.empty(schema, word, clauses)
        return await self._copies.filled(made, base.name, rows=base.row_count)

    async def _trial(self, change: Change, base: Copy) -> Trial:
        needed = 2 * base.seconds + 8 * self._turn_seconds + 0.5
        if self._runs.seconds_left() < needed:
            return self._refused(change, _TIME)
        try:
            if isinstance(change, RollupChange):
                return await self._rolled_up(change, base)
            schema, clauses = changed(change, base.schema)
            copy = await self._copy(base, schema, "changed", clauses)
            try:
                found = await self._compared(base, self._over(copy.name))
            finally:
                await self._copies.drop(copy.name)
        except Overloaded as error:
            return self._refused(change, error.message)
        except ServiceError as error:
            return self._refused(change, f"The query does not run over it: {error.reason}.")
        return self._measured(change, base, found, copy.size_bytes, copy.seconds)

    async def _rolled_up(self, change: RollupChange, base: Copy) -> Trial:
        """The roll-up over the copy, and the query as the service would read it then."""
        declared = replace(change.declaration, table=base.name)
        layout = layout_of(declared, base.schema)
        target = self._copies.named("states")
        await self._copies.execute(create_target(layout, target, comment="", fsync=False), target)
        try:
            states = f"INSERT INTO {quoted(target)} {select_states(layout, quoted(base.name))}"
            begun = self._runs.seconds_left()
            await self._copies.execute(states, target)
            seconds = begun - self._runs.seconds_left()
            await self._copies.execute(f"OPTIMIZE TABLE {quoted(target)} FINAL", target)
            rows, size = (await self._copies.sizes()).get(target, (0, 0))
            record = Record(declared, READY, base.schema.identity, 1, target, rows, size)
            before = self._over(base.name)
            route = await Serving(self._database).served(
                before,
                (base.name,),
                {base.name: base.schema},
                (record,),
                EXACT,
                self._described,
                clock=datetime.now(UTC),
            )
            if not route.rollup:
                return self._refused(change, route.reason)
            found = await self._compared(base, route.sql)
        finally:
            await self._copies.drop(target)
        trial = self._measured(change, base, found, base.size_bytes + size, 0.0)
        return replace(trial, after_seconds=self._insert_seconds + seconds)

    async def _compared(self, base: Copy, after: str) -> Comparison:
        return await self._runs.compare(
            self._over(base.name), after, rows=self._rows, ordered=self._query.statement.ordered
        )

    def _measured(
        self, change: Change, base: Copy, found: Comparison, after_bytes: int, after_seconds: float
    ) -> Trial:
        told = statement(change, self._table)
        return Trial(told, found, base.size_bytes, after_bytes, self._insert_seconds, after_seconds)

    def _refused(self, change: Change, why: str) -> Trial:
        return Trial(statement(change, self._table), refusal=why)

    def _over(self, name: str) -> str:
        return redirected(self._query.statement.sql, self._database, self._table.name, name)

    async def _described(self, sql: str) -> Sequence[tuple[str, str]]:
        limits = replace(self._limits, as_reader=True)
        return await self._warehouse.result_columns(
            self._query.uid, sql, limits=limits, query_id=new_query_id()
        )


def redirected(sql: str, database: str, table: str, hidden: str) -> str:
    """The physical SQL of an admitted statement with another table in the place of one."""
    tree = parsed(sql)
    for node in tree.find_all(exp.Table):
        if node.name == table and node.db == database:
            node.set("this", exp.to_identifier(hidden, quoted=True))
    return written(tree)
