"""Which SQL an admitted statement runs as: over roll-ups where they give the same, else as it is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlglot import exp

from aidatalabs_services.data.rollups.declarations import Grain
from aidatalabs_services.data.rollups.layout import PREFIX, layout_of
from aidatalabs_services.data.rollups.records import READY, Record
from aidatalabs_services.data.rollups.rewriter import Rewrite, Source, parsed, rewrite
from aidatalabs_services.data.rollups.scope import NotServedError
from aidatalabs_services.data.schema import Schema
from aidatalabs_services.data.table_ddl import quoted

_REMEMBERED = 512
# The shortest that a unit can be: rows may expire that early.
_DAYS = {"DAY": 1, "WEEK": 7, "MONTH": 28, "YEAR": 365}

_Key = TypeVar("_Key")
_Kept = TypeVar("_Kept")
Columns = Sequence[tuple[str, str]]
Describe = Callable[[str], Awaitable[Columns]]
"""(name, type) of each column that a SELECT gives, without running it."""
Lag = Callable[[Record], float | None]
"""Seconds that an asynchronous roll-up is behind its table, None where nobody knows."""


@dataclass(frozen=True)
class RollupUse:
    """What a caller allows: `max_relative_error` 0 means exact results only; `exclude` reads the rows.

    States of asynchronous roll-ups that are at most `max_staleness_seconds` behind may stand for all rows.
    """

    max_relative_error: float = 0.0
    exclude: bool = False
    max_staleness_seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Lease:
    """Epochs by hidden table that somebody may be about to read: they stay while this object is held."""

    epochs: Mapping[str, frozenset[int]]


@dataclass(frozen=True)
class Route:
    """The SQL to run; `rollup` names the roll-ups it reads (empty: none), `reason` says why.

    `targets` are the hidden tables of states that it reads. `lag_seconds` is how far asynchronous ones are
    behind; newer rows are read themselves but where `is_stale` says that the caller accepts to miss them.
    Every row that was there at `as_of` (Unix seconds) is read in either case.
    """

    sql: str
    rollup: str = ""
    reason: str = ""
    max_relative_error: float = 0.0
    targets: tuple[str, ...] = ()
    lag_seconds: float = 0.0
    is_stale: bool = False
    as_of: float = 0.0
    lease: Lease | None = field(default=None, compare=False, repr=False)


EXACT = RollupUse()
FROM_ROWS = Route("")
"""The statement runs as it is, and there is nothing to say about it."""


_Asked = tuple[str, tuple[Source, ...], float]


def _nobody_knows(_: Record) -> float | None:
    return None


class Serving:
    """Rewrites the statements of one platform, and remembers what it found."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._columns: OrderedDict[str, Columns] = OrderedDict()
        self._trees: OrderedDict[str, exp.Expr] = OrderedDict()
        self._routes: OrderedDict[_Asked, Route] = OrderedDict()

    async def served(
        self,
        sql: str,
        tables: Sequence[str],
        schema: Schema,
        found: Sequence[Record],
        use: RollupUse,
        describe: Describe,
        *,
        by_time: bool = True,
        clock: datetime | None = None,
        lag: Lag = _nobody_knows,
    ) -> Route:
        """The SQL that the physical `sql` over `tables` runs as.

        Where it does not depend on the time (`by_time`) it is remembered for as long as the roll-ups stay.
        """
        if use.exclude:
            return Route(sql, reason="Roll-ups were left out, as asked.")
        now = clock or datetime.now(UTC)
        lags = {record.target: lag(record) for record in found if record.progress}
        accepted = use.max_staleness_seconds
        near = {target for target, known in lags.items() if known is not None and known <= accepted}
        sources = usable_sources(schema, found, tables, now, alone=near if accepted else ())
        asked = (sql, tuple(sources), use.max_relative_error)
        known = None if by_time else self._routes.get(asked)
        if known is None:
            known = await self._route(sql, sources, use, describe, now)
            if not by_time:
                _remember(self._routes, asked, known)
        followed = [record for record in found if record.progress and record.target in known.targets]
        return _with_lag(known, followed, lags) if followed else known

    async def _route(
        self, sql: str, sources: Sequence[Source], use: RollupUse, describe: Describe, now: datetime
    ) -> Route:
        try:
            if not sources:
                raise NotServedError("no table it reads has a roll-up that is ready")
            rewritten = await self._checked(sql, sources, use, describe, now)
        except NotServedError as error:
            return Route(sql, reason=f"Read from the rows: {error}.")
        names = ", ".join(rewritten.rollups)
        return Route(
            rewritten.sql,
            names,
            _why(rewritten),
            rewritten.error,
            rewritten.targets,
            is_stale=rewritten.stale,
        )

    async def _checked(
        self, sql: str, sources: Sequence[Source], use: RollupUse, describe: Describe, now: datetime
    ) -> Rewrite:
        """The rewritten statement, its columns found to be those of the statement as it was."""
        if PREFIX in sql:
            raise NotServedError("it has a text that looks like one of our names")
        tree = self._tree(sql)
        width = len(tree.expressions) if isinstance(tree, exp.Select) else 0
        marks = [f"{PREFIX}column_{index}_" for index in range(width)]
        made = rewrite(
            tree,
            sources,
            database=self._database,
            now=now,
            max_error=use.max_relative_error,
            names=marks,
        )
        wanted = await self._described(made.raw_shape, describe)
        for mark, (name, _) in zip(marks, wanted, strict=False):
            held = quoted(name)
            made = replace(
                made, sql=made.sql.replace(f"`{mark}`", held), shape=made.shape.replace(f"`{mark}`", held)
            )
        if list(await self._described(made.shape, describe)) != list(wanted):
            raise NotServedError("its columns would have other types")
        return made

    async def _described(self, sql: str, describe: Describe) -> Columns:
        known = self._columns.get(sql)
        if known is None:
            known = await describe(sql)
            _remember(self._columns, sql, known)
        else:
            self._columns.move_to_end(sql)
        return known

    def _tree(self, sql: str) -> exp.Expr:
        known = self._trees.get(sql)
        if known is None:
            known = parsed(sql)
            _remember(self._trees, sql, known)
        return known

    def forget(self) -> None:
        """Drops what was remembered: a table or a roll-up has changed."""
        self._columns.clear()
        self._routes.clear()


def _remember(kept: OrderedDict[_Key, _Kept], key: _Key, value: _Kept) -> None:
    kept[key] = value
    if len(kept) > _REMEMBERED:
        kept.popitem(last=False)


def usable_sources(
    schema: Schema,
    found: Sequence[Record],
    tables: Sequence[str],
    now: datetime,
    *,
    alone: Collection[str] = (),
) -> list[Source]:
    """The roll-ups that are ready over `tables`, those with the fewest rows first.

    Of asynchronous ones the hidden tables in `alone` are read without the rows that they lack.
    """
    sources = []
    # A roll-up that is made of another one is fed only as long as that one is the current one.
    ready = {record.target for record in found if record.state == READY}
    for record in sorted(found, key=_cost):
        table = schema.get(record.declaration.table)
        if record.state != READY or table is None or table.name not in tables:
            continue
        if table.identity != record.identity or (record.over and record.over not in ready):
            continue
        ttl = _expiry(table.ttl, record.declaration.time_column, now)
        if ttl is None:
            continue
        layout = layout_of(record.declaration, table)
        is_alone = record.target in alone
        sources.append(Source(layout, record.target, ttl[0], record.progress, is_alone))
    return sources


def _cost(record: Record) -> tuple[bool, int, bool, int]:
    declared = record.declaration
    hourly, width = declared.grain is Grain.HOUR, len(declared.dimensions)
    return hourly, width, declared.is_asynchronous, record.row_count


def _with_lag(route: Route, followed: Sequence[Record], lags: Mapping[str, float | None]) -> Route:
    """The route of now with how far its roll-ups are behind; after a start that is told by the clock."""
    clock = datetime.now(UTC).timestamp()
    lag = 0.0
    for record in followed:
        known = lags[record.target]
        since = record.progress.as_of if record.progress else clock
        lag = max(lag, clock - since if known is None else known)
    if route.is_stale:
        told = f"rows of the last {lag:.1f} s may be missing, as was accepted"
    else:
        told = f"rows of the last {lag:.1f} s, not in it yet, were read themselves"
    reason = f"{route.reason[:-1]}; {told}." if lag else route.reason
    return replace(route, reason=reason, lag_seconds=lag, as_of=clock - lag)


def _expiry(ttl: str, time_column: str, now: datetime) -> tuple[datetime | None] | None:
    """(moment before which rows may have expired, None where none do); None where that cannot be told."""
    if not ttl:
        return (None,)
    words = ttl.split()
    if len(words) != 5 or words[0] != time_column or words[4] not in _DAYS:
        return None
    kept = timedelta(days=int(words[3]) * _DAYS[words[4]])
    return ((now - kept + timedelta(days=1)).replace(minute=0, second=0, microsecond=0),)


def _why(made: Rewrite) -> str:
    name = " and ".join(made.rollups)
    where = "whole buckets, and rows at the ends of the range" if made.ragged else "whole buckets"
    if made.error:
        return f"Served from {name} ({where}), within the relative error that was allowed."
    return f"Served from {name} ({where}): the result is the same as from the rows."
