"""From a table's description to CREATE TABLE: every rule is checked, every word is written by us."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from aidatalabs_services.data.column_types import ColumnType, quote_text
from aidatalabs_services.data.errors import TableInvalid, TypeNotAllowed
from aidatalabs_services.data.native.json_type import parse_column_type, type_text
from aidatalabs_services.data.schema import ColumnSchema, TableSchema
from aidatalabs_services.runtime.errors import FieldViolation

_TABLE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_COLUMN_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}")
_PARTITION = re.compile(
    r"\s*(toYYYYMM|toMonday|toDate|toYear)\s*\(\s*(`?)([a-zA-Z_][a-zA-Z0-9_]*)\2\s*\)\s*", re.ASCII
)
_TTL = re.compile(
    r"\s*(`?)([a-zA-Z_][a-zA-Z0-9_]*)\1\s*\+\s*INTERVAL\s+([0-9]{1,6})\s+(DAY|WEEK|MONTH|YEAR)S?\s*",
    re.IGNORECASE | re.ASCII,
)
_ENGINE_TTL = re.compile(r"`?([a-zA-Z_][a-zA-Z0-9_]*)`? \+ toInterval(Day|Week|Month|Year)\(([0-9]+)\)")
_TTL_RULE = "must be c + INTERVAL n DAY, WEEK, MONTH or YEAR (at most 100 years), c a column of days or times"
_MAX_COLUMNS = 1000
_MAX_COMMENT = 1000
_MAX_DAYS = 36_500
_DAYS = {"DAY": 1, "WEEK": 7, "MONTH": 31, "YEAR": 366}
# Engine bookkeeping columns: a user's column of that name would hide them or break deletes.
_ROW_BOOKKEEPING = {"_row_exists", "_block_number", "_block_offset", "_sample_factor"}
_PART_BOOKKEEPING = {"_part", "_part_uuid", "_partition_id", "_partition_value"}
_RESERVED_COLUMNS = frozenset(_ROW_BOOKKEEPING | _PART_BOOKKEEPING)
# A row is merged again and again, each time into a larger part: from more parts at once it is less often. And
# parts that inserts make are of one file each, not of two for each path; the paths beyond those that a JSON
# column gives columns of their own lie in one place there: spread over eight, even none of them cost a row 64
# bytes of ends. Merged parts keep them as the engine does by itself, quick to read one by one.
_MERGES = (
    "min_parts_to_merge_at_once = 12",
    "min_level_for_wide_part = 1",
    "object_shared_data_serialization_version_for_zero_level_parts = 'map'",
)


def checked(table: TableSchema) -> TableSchema:
    """The same table with types, partitions and time to live in canonical form.

    Raises TableInvalid naming every field that breaks a rule, or TypeNotAllowed for a column's type.
    """
    wrong = list(_name_violations(table))
    types: dict[str, ColumnType] = {}
    for column in table.columns:
        types[column.name] = _type_of(column.name, column.type)
    wrong += _order_violations(table, types)
    partition_by, ttl = table.partition_by.strip(), table.ttl.strip()
    if partition_by:
        found = _PARTITION.fullmatch(partition_by)
        if found is None or found[3] not in types or not types[found[3]].is_time:
            wrong.append(
                FieldViolation(
                    "table.partition_by",
                    "must be toYYYYMM(c), toMonday(c), toDate(c) or toYear(c), c a column of days or times",
                )
            )
        else:
            partition_by = f"{found[1]}({found[3]})"
    if ttl:
        kept = _ttl(ttl)
        if kept is None or kept[0] not in types or not types[kept[0]].is_time:
            wrong.append(
                FieldViolation(
                    "table.ttl",
                    _TTL_RULE,
                )
            )
        else:
            ttl = f"{kept[0]} + INTERVAL {kept[1]} {kept[2]}"
    if wrong:
        raise invalid(table.name, wrong)
    columns = tuple(
        type(column)(column.name, type_text(types[column.name]), column.comment) for column in table.columns
    )
    return TableSchema(table.name, columns, table.order_by, partition_by, ttl, table.comment)


def checked_column(table: TableSchema, column: ColumnSchema) -> ColumnSchema:
    """A column to add to `table`, its type in canonical form. Raises TableInvalid or TypeNotAllowed."""
    wrong = list(_column_violations("column", column))
    if len(table.columns) >= _MAX_COLUMNS and table.column(column.name) is None:
        wrong.append(FieldViolation("column", f"is one too many: a table has at most {_MAX_COLUMNS:,}"))
    kind = type_text(_type_of(column.name, column.type))
    if wrong:
        raise invalid(table.name, wrong)
    return ColumnSchema(column.name, kind, column.comment)


def checked_ttl(table: TableSchema, text: str) -> str:
    """A time to live for `table` in canonical form, empty for none. Raises TableInvalid."""
    ttl = text.strip()
    kept = _ttl(ttl) if ttl else None
    column = table.column(kept[0]) if kept else None
    if ttl and (kept is None or column is None or not parse_column_type(column.type).is_time):
        raise invalid(table.name, [FieldViolation("ttl", _TTL_RULE)])
    return f"{kept[0]} + INTERVAL {kept[1]} {kept[2]}" if kept else ""


def modify_ttl(table: str, ttl: str) -> str:
    """ALTER TABLE for a time to live that passed `checked_ttl`; an empty one must be there to be removed."""
    kept = _ttl(ttl) if ttl else None
    if kept is None:
        return f"ALTER TABLE {quoted(table)} REMOVE TTL"
    return f"ALTER TABLE {quoted(table)} MODIFY TTL {quoted(kept[0])} + INTERVAL {kept[1]} {kept[2]}"


def modify_comment(table: TableSchema, comment: str) -> str:
    """ALTER TABLE for another comment. Raises TableInvalid."""
    if len(comment) > _MAX_COMMENT or "\0" in comment:
        wrong = FieldViolation("comment", "must be at most 1,000 characters, none of them NUL")
        raise invalid(table.name, [wrong])
    return f"ALTER TABLE {quoted(table.name)} MODIFY COMMENT {quote_text(comment)}"


def column_taken(table: str, column: str) -> TableInvalid:
    """The refusal of a column whose name another column of the table has."""
    wrong = FieldViolation("column.name", "is that of a column with another type or comment")
    return TableInvalid(
        "The table has a column of this name with another type or comment. Choose another name.",
        metadata={"table": table[:64], "column": column[:64]},
        violations=[wrong],
    )


def add_column(table: str, column: ColumnSchema) -> str:
    """ALTER TABLE for a column that passed `checked_column`; harmless where the column is there."""
    return f"ALTER TABLE {quoted(table)} ADD COLUMN IF NOT EXISTS {_column_ddl(column)}"


def modify_column(table: str, column: str, kind: str) -> str:
    """ALTER TABLE for another type of a column, `kind` by `type_text`; of JSON no file is touched."""
    return (
        f"ALTER TABLE {quoted(table)} MODIFY COLUMN {quoted(column)} {kind} "
        "SETTINGS enable_json_lazy_type_hints = 1"
    )


def _column_ddl(column: ColumnSchema) -> str:
    comment = f" COMMENT {quote_text(column.comment)}" if column.comment else ""
    return f"{quoted(column.name)} {column.type}{comment}"


def invalid(name: str, violations: list[FieldViolation]) -> TableInvalid:
    """The refusal that names each field of a table's description that breaks a rule."""
    first = violations[0]
    return TableInvalid(
        f"The table cannot be made: {first.field} {first.description}.",
        metadata={"table": name[:64]},
        violations=violations,
    )


def _type_of(name: str, text: str) -> ColumnType:
    try:
        return parse_column_type(text)
    except TypeNotAllowed as error:
        raise TypeNotAllowed(error.message, metadata={**error.metadata, "column": name[:64]}) from None


def _name_violations(table: TableSchema) -> Iterator[FieldViolation]:
    if not _TABLE_NAME.fullmatch(table.name):
        yield FieldViolation("table.name", "must match [a-z_][a-z0-9_]*, at most 63 characters")
    elif table.name.startswith("_"):
        yield FieldViolation("table.name", "must not start with _: such names are reserved")
    if not 1 <= len(table.columns) <= _MAX_COLUMNS:
        yield FieldViolation("table.columns", f"must be 1 to {_MAX_COLUMNS:,}")
    if len(table.comment) > _MAX_COMMENT or "\0" in table.comment:
        yield FieldViolation("table.comment", "must be at most 1,000 characters, none of them NUL")
    seen: set[str] = set()
    for index, column in enumerate(table.columns):
        yield from _column_violations(f"table.columns[{index}]", column)
        if column.name in seen:
            yield FieldViolation(f"table.columns[{index}].name", "is there twice")
        seen.add(column.name)


def _column_violations(field: str, column: ColumnSchema) -> Iterator[FieldViolation]:
    if not _COLUMN_NAME.fullmatch(column.name):
        yield FieldViolation(f"{field}.name", "must match [a-zA-Z_][a-zA-Z0-9_]*, at most 63 characters")
    elif column.name in _RESERVED_COLUMNS:
        yield FieldViolation(f"{field}.name", "is reserved; choose another name")
    if len(column.comment) > _MAX_COMMENT or "\0" in column.comment:
        yield FieldViolation(f"{field}.comment", "must be at most 1,000 characters, none of them NUL")


def _order_violations(table: TableSchema, types: dict[str, ColumnType]) -> Iterator[FieldViolation]:
    for index, name in enumerate(table.order_by):
        field = f"table.order_by[{index}]"
        if name not in types:
            yield FieldViolation(field, "must be a column of the table")
        elif not types[name].sortable:
            yield FieldViolation(field, "must be a column with a plain type that is never NULL")
        elif name in table.order_by[:index]:
            yield FieldViolation(field, "is there twice")


def _ttl(text: str) -> tuple[str, int, str] | None:
    """Column, number and unit of a time to live, or None where it is not one."""
    found = _TTL.fullmatch(text)
    if found is None:
        return None
    count, unit = int(found[3]), found[4].upper()
    return (found[2], count, unit) if 1 <= count * _DAYS[unit] <= _MAX_DAYS else None


def ttl_of_engine(engine_full: str) -> str:
    """The time to live as the contract writes it, out of the engine's own description of a table."""
    _, _, rest = engine_full.partition(" TTL ")
    found = _ENGINE_TTL.match(rest)
    return f"{found[1]} + INTERVAL {int(found[3])} {found[2].upper()}" if found else ""


def quoted(name: str) -> str:
    """An identifier in backticks; only names that passed `checked` or came from the engine get here.

    A key of an object may hold any character, and the engine takes no statement with a NUL in it.
    """
    return quote_text(name, "`")


def create_table(
    table: TableSchema,
    *,
    fsync: bool,
    engine: str = "MergeTree",
    deduplication_window: int = 1000,
    clauses: Sequence[str] = (),
) -> str:
    """CREATE TABLE of a checked table.

    `fsync` makes an insert survive power loss; `deduplication_window` is how many of the last blocks the
    engine recognises by their token. `clauses` of our own stand beside the columns.
    """
    columns = ", ".join([*(_column_ddl(column) for column in table.columns), *clauses])
    parts = [f"CREATE TABLE {quoted(table.name)} ({columns})", f"ENGINE = {engine}"]
    if table.partition_by:
        function, _, column = table.partition_by.rstrip(")").partition("(")
        parts.append(f"PARTITION BY {function}({quoted(column)})")
    order = ", ".join(quoted(name) for name in table.order_by)
    parts.append(f"ORDER BY ({order})" if order else "ORDER BY tuple()")
    kept = _ttl(table.ttl) if table.ttl else None
    if kept:
        parts.append(f"TTL {quoted(kept[0])} + INTERVAL {kept[1]} {kept[2]}")
    settings = [f"non_replicated_deduplication_window = {deduplication_window}"]
    if engine == "MergeTree":
        settings += _MERGES
    if fsync:
        settings += ["fsync_after_insert = 1", "fsync_part_directory = 1"]
    parts.append("SETTINGS " + ", ".join(settings))
    if table.comment:
        parts.append(f"COMMENT {quote_text(table.comment)}")
    return " ".join(parts)
