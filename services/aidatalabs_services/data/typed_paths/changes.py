"""Declaring paths of a JSON column with a type, and taking that back: looked at first, then done in a moment.

    plan ─► a look at every row ─► fence ─► journal stored ─► a look at the rows since ─► ALTER ─► fence open

The ALTER changes the table's description in one step and no file: the engine applies it as it reads and
rewrites files as they are merged, so a kill leaves the old description or the new one, and either is whole.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.errors import (
    ColumnNotKnown,
    PathInRollup,
    PathValuesMisfit,
    PathValuesRetyped,
    TableBusy,
    shown_name,
    table_not_found,
)
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.native.json_type import parse_column_type, type_text
from aidatalabs_services.data.ports import QueryLimits, Warehouse
from aidatalabs_services.data.rollups.declarations import bound_dimensions
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.schema import SchemaCache, TableSchema
from aidatalabs_services.data.table_ddl import invalid, modify_column
from aidatalabs_services.data.type_fences import TypeFences
from aidatalabs_services.data.typed_paths.declared import path_violations, wanted_type, with_declared
from aidatalabs_services.data.typed_paths.looks import Finding, Look, Looks, Wanted
from aidatalabs_services.data.typed_paths.suggestions import PathSuggestions, Suggestions
from aidatalabs_services.runtime.errors import FieldViolation

_LOG = logging.getLogger(__name__)
# The longest that rows sent meanwhile wait.
_FENCED_SECONDS = 10.0


@dataclass(frozen=True)
class Plan:
    """What a call changes, or would: types before and after, and what was found in the rows."""

    type_before: str
    type_after: str
    changes: Sequence[tuple[str, str, str, int]]
    look: Look
    after: Mapping[str, ColumnType]
    changed: bool = False


class TypedPaths:
    """Typed paths of every platform's JSON columns, by the platform's uid.

    `settle` returns when all rows of a table that were taken are stored, `forget_results` drops what is kept
    of a platform's queries: a path that gets a type gives values of that type.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        schemas: SchemaCache,
        limits: QueryLimits,
        fences: TypeFences,
        holds: TableHolds,
        rollups: Rollups,
        *,
        settle: Callable[[str, str], Awaitable[None]],
        forget_results: Callable[[str], Awaitable[None]],
        sample_rows: int,
    ) -> None:
        self._warehouse = warehouse
        self._schemas = schemas
        self._looks = Looks(warehouse, limits)
        self._suggestions = PathSuggestions(warehouse, limits, sample_rows=sample_rows)
        self._fences = fences
        self._holds = holds
        self._rollups = rollups
        self._settle = settle
        self._forget_results = forget_results
        self._works: set[asyncio.Task[None]] = set()

    async def suggest(self, uid: str, table: str, column: str) -> Suggestions:
        """The paths of a JSON column. Raises TableNotFound, ColumnNotKnown and TableInvalid."""
        described = await self._described(uid, table)
        return await self._suggestions.suggest(uid, described, column, _json_column(described, column))

    async def change(
        self,
        uid: str,
        table: str,
        column: str,
        types: Sequence[tuple[str, str]],
        untyped: Sequence[str],
        *,
        validate_only: bool = False,
        allow_retyping: bool = False,
    ) -> Plan:
        """Declares each (path, type) and takes back those of `untyped`; the same again changes nothing.

        Raises TableNotFound, ColumnNotKnown, TableInvalid, TypeNotAllowed, PathInRollup, PathValuesMisfit,
        PathValuesRetyped and TableBusy, and as `Warehouse.query` does. With `validate_only` what is found in
        the rows is told and not raised.
        """
        described = await self._described(uid, table)
        wanted = _wanted(described, column, types, untyped)
        before = _json_column(described, column)
        after = with_declared(before, wanted.after)
        if before == after:
            return Plan(type_text(before), type_text(after), (), Look(), wanted.after)
        await self._check_rollups(uid, wanted)
        latest = await self._looks.last_block(uid, table)
        look = await self._looks.look(uid, wanted)
        _check_below(wanted, look)
        plan = Plan(type_text(before), type_text(after), _changes(wanted, look), look, wanted.after)
        if validate_only:
            return plan
        _check_values(wanted, look, allow_retyping=allow_retyping)
        if self._holds.is_deleting(uid, table):
            raise _busy(table, "Rows of {!r} are being deleted. Declare its paths when that is done.")
        work = self._carry_out(uid, wanted, described, plan, latest, allow_retyping=allow_retyping)
        # Of its own: a caller who goes away must not leave it half done, and its deadline is not this one's.
        task = asyncio.create_task(work, context=contextvars.Context())
        self._works.add(task)
        task.add_done_callback(self._ended)
        await asyncio.shield(task)
        return Plan(plan.type_before, plan.type_after, plan.changes, look, wanted.after, changed=True)

    async def close(self) -> None:
        """Returns when what is under way is done."""
        await asyncio.gather(*self._works, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._works.discard(task)
        if not task.cancelled():
            task.exception()  # read it: the caller may have gone away

    async def _carry_out(
        self,
        uid: str,
        wanted: Wanted,
        described: TableSchema,
        plan: Plan,
        latest: int,
        *,
        allow_retyping: bool,
    ) -> None:
        """Looks at the rows that came since, and changes the table, while no row is taken."""
        table = wanted.table
        try:
            async with asyncio.timeout(_FENCED_SECONDS), self._fences.closed(uid, table):
                await self._settle(uid, table)
                async with self._holds.alone(uid, table):
                    now = await self._described(uid, table)
                    if now.identity != described.identity or now.types != described.types:
                        raise _busy(table, "{!r} was changed meanwhile. Ask for the plan again.")
                    await self._check_rollups(uid, wanted)
                    look = await self._looks.look(uid, wanted, after_block=latest)
                    _check_below(wanted, look)
                    _check_values(wanted, look, allow_retyping=allow_retyping)
                    try:
                        await self._warehouse.execute(
                            uid, modify_column(table, wanted.column, plan.type_after), table=table
                        )
                    finally:
                        self._schemas.forget(uid)
                        self._rollups.retyped(uid)
                        await self._forget_results(uid)
        except TimeoutError:
            raise _busy(
                table, "Too many rows of {!r} wait to be stored. Try again when fewer come in."
            ) from None
        _LOG.info(
            "table %s: column %s is %s now, it was %s",
            table,
            wanted.column,
            plan.type_after,
            plan.type_before,
        )

    async def _check_rollups(self, uid: str, wanted: Wanted) -> None:
        """Raises PathInRollup where a view asks a path for its dynamic values: its inserts would fail."""
        fresh = wanted.after.keys() - wanted.before.keys()
        for record in await self._rollups.list(uid):
            if record.declaration.table != wanted.table:
                continue
            for dimension in bound_dimensions(record.declaration):
                path = ".".join(dimension.path)
                if dimension.typed and dimension.root == wanted.column and path in fresh:
                    raise PathInRollup(
                        f"Roll-up {record.declaration.name!r} reads {dimension.text}, which a declared path "
                        "does not have. Drop the roll-up, declare the path, and declare it again without "
                        "`.:String`.",
                        metadata={"table": wanted.table, "path": path, "rollup": record.declaration.name},
                    )

    async def _described(self, uid: str, name: str) -> TableSchema:
        """The table as the engine has it at this moment."""
        self._schemas.forget(uid)
        found = (await self._schemas.get(uid)).get(name)
        if found is None:
            raise table_not_found(name)
        return found


def _json_column(table: TableSchema, name: str) -> ColumnType:
    column = table.column(name)
    if column is None:
        raise ColumnNotKnown(
            f"Table {table.name} has no column {shown_name(name)}. Look at its columns.",
            metadata={"column": shown_name(name), "table": table.name},
        )
    kind = parse_column_type(column.type)
    if kind.name != "JSON":
        raise invalid(table.name, [FieldViolation("column", "must be a JSON column")])
    return kind


def _wanted(
    table: TableSchema, column: str, types: Sequence[tuple[str, str]], untyped: Sequence[str]
) -> Wanted:
    kind = _json_column(table, column)
    before = dict(zip(kind.names, kind.inner, strict=True))
    named = dict(types)
    wrong = [
        FieldViolation("untyped_paths", f"names {shown_name(path)}, which is declared by the same call")
        for path in sorted(set(untyped) & named.keys())
    ]
    if len(named) < len(types):
        wrong.append(FieldViolation("paths", "names a path twice"))
    if not types and not untyped:
        wrong.append(FieldViolation("paths", "and untyped_paths name nothing to change"))
    after = {path: each for path, each in before.items() if path not in untyped}
    after |= dict.fromkeys(named, ColumnType("String"))
    wrong += path_violations(after, named)
    if wrong:
        raise invalid(table.name, wrong)
    after |= {path: wanted_type(path, text) for path, text in named.items()}
    return Wanted(table.name, column, before, after)


def _changes(wanted: Wanted, look: Look) -> list[tuple[str, str, str, int]]:
    """(path, type before, type after, rows) of each path whose declaration differs."""

    def text(declared: Mapping[str, ColumnType], path: str) -> str:
        return type_text(declared[path]) if path in declared else ""

    return [
        (path, text(wanted.before, path), text(wanted.after, path), look.present.get(path, 0))
        for path in wanted.changed
    ]


def _check_below(wanted: Wanted, look: Look) -> None:
    if look.below:
        wrong = [
            FieldViolation(f"paths[{shown_name(path)}]", f"has values below it, such as {shown_name(under)}")
            for path, under in sorted(look.below.items())
        ]
        raise invalid(wanted.table, wrong)


def _check_values(wanted: Wanted, look: Look, *, allow_retyping: bool) -> None:
    """Raises PathValuesMisfit or PathValuesRetyped for the first path that stands in the way."""
    if look.misfits:
        first = look.misfits[0]
        declared = wanted.after.get(first.path)
        if declared is not None:
            why = f"are of type {first.type} and do not fit {type_text(declared)}"
        elif first.path in wanted.before:
            why = "would not come back as they are; keep it declared"
        else:
            why = f"would not come back as they are; declare it as {first.type} too"
        words = f"{first.row_count:,} values of {shown_name(first.path)} {why}. Nothing was changed."
        raise PathValuesMisfit(words, metadata=_facts(wanted, first, declared))
    if look.retyped and not allow_retyping:
        first = look.retyped[0]
        raise PathValuesRetyped(
            f"{first.row_count:,} values of {shown_name(first.path)} would keep their text and no longer be "
            f"of type {first.type}. Declare that path too, or accept it with allow_retyping; nothing was "
            "changed.",
            metadata=_facts(wanted, first, None),
        )


def _facts(wanted: Wanted, finding: Finding, declared: ColumnType | None) -> dict[str, str]:
    return {
        "table": wanted.table,
        "column": wanted.column,
        "path": shown_name(finding.path),
        "type": type_text(declared) if declared is not None else finding.type,
        "row_count": str(finding.row_count),
        "example": f"{finding.type}: {shown_name(finding.example, 100)}",
    }


def _busy(table: str, words: str) -> TableBusy:
    return TableBusy(words.format(table), metadata={"table": table}, retry_after_seconds=1.0)
