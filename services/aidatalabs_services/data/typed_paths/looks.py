"""A look at every row of a JSON column before its declared paths change: what fits, and what does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aidatalabs_services.data.column_types import ColumnType, quote_text
from aidatalabs_services.data.native.json_type import type_text
from aidatalabs_services.data.ports import Json, QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.table_ddl import quoted
from aidatalabs_services.data.typed_paths.fitting import Check, becoming_dynamic, declaring, value_of

_AT_ONCE = 16
_UNBOUNDED = 10**15
_EXAMPLE_CHARACTERS = 100
# Names of parts are PARTITION_FIRSTBLOCK_LASTBLOCK_LEVEL[_MUTATION], and no partition of ours has a _.
_LAST_BLOCK = "toUInt64(splitByChar('_', _part)[3])"


@dataclass(frozen=True)
class Finding:
    """Rows with values of one type at a path; `type` is the one they have, `example` one of them as text."""

    path: str
    type: str
    row_count: int
    example: str


@dataclass(frozen=True)
class Look:
    """What was found in `row_count` rows: values that do not fit, values that get another dynamic type.

    `present` is the rows that have a value, by each path whose declaration changes; `below` are paths that
    have values under one to be declared.
    """

    row_count: int = 0
    misfits: Sequence[Finding] = ()
    retyped: Sequence[Finding] = ()
    present: Mapping[str, int] = field(default_factory=dict)
    below: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """The declared paths of a column before and after; types as trees."""

    table: str
    column: str
    before: Mapping[str, ColumnType]
    after: Mapping[str, ColumnType]

    @property
    def changed(self) -> list[str]:
        """Paths whose declaration differs, by name."""
        paths = self.before.keys() | self.after.keys()
        return sorted(path for path in paths if self.before.get(path) != self.after.get(path))


class Looks:
    """Reads whole tables: without a limit of rows, within `limits`' time."""

    def __init__(self, warehouse: Warehouse, limits: QueryLimits) -> None:
        self._warehouse = warehouse
        self._limits = replace(
            limits, max_rows=1000, max_rows_to_read=_UNBOUNDED, max_bytes_to_read=_UNBOUNDED
        )

    async def last_block(self, uid: str, table: str) -> int:
        """The number of the table's latest block; rows that come later have higher ones."""
        row = await self._row(
            uid,
            "SELECT max(max_block_number) FROM system.parts "  # noqa: S608 - quoted
            f"WHERE database = currentDatabase() AND table = {quote_text(table)} AND active",
        )
        return int(row[0] or 0)

    async def look(self, uid: str, wanted: Wanted, *, after_block: int | None = None) -> Look:
        """What the table holds, or its rows behind a block. Raises as `Warehouse.query` does."""
        source = quoted(wanted.table)
        if after_block is not None:
            source += f" WHERE {_LAST_BLOCK} > {after_block}"
        rows, types, infers = await self._row(
            uid,
            f"SELECT count(), distinctJSONPathsAndTypes({quoted(wanted.column)}), "  # noqa: S608 - quoted
            f"any(getSetting('input_format_try_infer_dates')) FROM {source}",
        )
        if not int(rows):
            return Look()
        found: dict[str, Sequence[str]] = {
            path: [str(each) for each in kinds] for path, kinds in types.items()
        }
        found.update({path: [type_text(kind)] for path, kind in wanted.before.items()})
        checks = list(_checks(wanted, found, infers_times=bool(infers)))
        look = Look(int(rows), below=dict(_below(wanted, found)))
        for begin in range(0, len(checks), _AT_ONCE):
            look = await self._with(uid, look, checks[begin : begin + _AT_ONCE], source, wanted)
        return look

    async def _with(self, uid: str, look: Look, checks: Sequence[Check], source: str, wanted: Wanted) -> Look:
        row = await self._row(uid, f"SELECT {', '.join(map(_counted, checks))} FROM {source}")  # noqa: S608
        misfits, retyped, present = list(look.misfits), list(look.retyped), dict(look.present)
        for check, (rows, wrong, wrong_one, other, other_one) in zip(checks, row, strict=True):
            if int(wrong):
                misfits.append(Finding(check.path, check.type, int(wrong), str(wrong_one)))
            if int(other):
                retyped.append(Finding(check.path, check.type, int(other), str(other_one)))
            if wanted.before.get(check.path) != wanted.after.get(check.path):
                present[check.path] = present.get(check.path, 0) + int(rows)
        return replace(look, misfits=misfits, retyped=retyped, present=present)

    async def _row(self, uid: str, sql: str) -> Sequence[Json]:
        outcome = await self._warehouse.query(uid, sql, limits=self._limits, query_id=new_query_id())
        return outcome.rows[0]


def _checks(wanted: Wanted, found: Mapping[str, Sequence[str]], *, infers_times: bool) -> Iterator[Check]:
    for path, kinds in sorted(found.items()):
        before, after = wanted.before.get(path), wanted.after.get(path)
        if before is not None and before == after:
            continue  # its values are read from text by the very type that wrote them
        for kind in kinds:
            value = value_of(wanted.column, path, kind, declared=before is not None)
            if after is not None:
                yield declaring(path, kind, value, after)
                continue
            check = becoming_dynamic(path, kind, value, infers_times=infers_times)
            if before is not None or check.misfit or check.retyped:
                yield check


def _below(wanted: Wanted, found: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    for path in wanted.after.keys() - wanted.before.keys():
        under = next((each for each in sorted(found) if each.startswith(f"{path}.")), None)
        if under is not None:
            yield path, under


def _counted(check: Check) -> str:
    """Rows with a value; rows of each condition with an example."""
    text = f"leftUTF8(ifNull(toString({check.value}), ''), {_EXAMPLE_CHARACTERS})"
    parts = [f"count({check.value})"]
    for condition in (check.misfit, check.retyped):
        parts += [f"countIf({condition}), anyIf({text}, {condition})"] if condition else ["0, ''"]
    return f"({', '.join(parts)})"
