"""Whose names a query uses: every table must be one of the platform's, every column must be somewhere.

ClickHouse runs some bare words as functions (`current_database` without brackets), shows hidden columns
(`_part`) and reads tables through names, so a name that is nothing known is refused here, before the engine
sees it. Certain cases only: what could be a column under ClickHouse's own rules is left to the engine.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from aidatalabs_services.data import functions
from aidatalabs_services.data.errors import ColumnNotKnown, TableNotKnown
from aidatalabs_services.data.statement_shapes import function_refused, not_allowed
from aidatalabs_services.data.statement_text import position

_TABLES_LISTED = 20
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words where a column may stand that are none: units of dateAdd(DAY, 1, x), ORDER BY ALL, inf and nan.
_WORDS = """nanosecond microsecond millisecond second minute hour day week month quarter year all inf nan
infinity"""
_NO_COLUMNS = frozenset(_WORDS.split())


@dataclass(frozen=True)
class TableSchema:
    """A table of the platform as the catalogue knows it: its name and column -> ClickHouse type."""

    name: str
    columns: Mapping[str, str]


@dataclass
class BoundNames:
    """What the names of one query stand for."""

    tables: list[exp.Table] = field(default_factory=list)  # the nodes that read a table of the platform
    columns: set[tuple[str, str]] = field(default_factory=set)  # (table, column), as far as they can be told


def bind(nodes: Sequence[exp.Expr], schemas: Mapping[str, TableSchema]) -> BoundNames:
    """The tables and columns that the query made of `nodes` reads.

    Raises TableNotKnown, ColumnNotKnown, FunctionNotAllowed (a bare word that runs as a function) or
    QueryConstructNotAllowed (a WITH name that hides a table).
    """
    bound = BoundNames()
    _check_ctes(nodes, schemas)
    for node in nodes:
        if isinstance(node, exp.Table) and _reads_table(node, schemas):
            bound.tables.append(node)
    _bind_columns(nodes, bound, schemas)
    return bound


def _check_ctes(nodes: Sequence[exp.Expr], schemas: Mapping[str, TableSchema]) -> None:
    hidden = {name.casefold() for name in schemas}
    for node in nodes:
        if isinstance(node, exp.CTE) and node.alias.casefold() in hidden:
            raise not_allowed("a WITH name that hides a table", f"Call {node.alias} something else.", node)


def _reads_table(table: exp.Table, schemas: Mapping[str, TableSchema]) -> bool:
    name = table.name
    if not table.args.get("db") and not table.args.get("catalog"):
        if name in schemas:
            return True
        if _is_cte(table, name):
            return False
    full = ".".join(part.name for part in table.parts)
    raise _table_not_known(full, schemas, table)


def _is_cte(table: exp.Expr, name: str) -> bool:
    """Whether a WITH around `table` defines `name`; inside a WITH only the ones before it count."""
    inner: exp.Expr = table
    outer = table.parent
    while outer is not None:
        with_ = outer if isinstance(outer, exp.With) else outer.args.get("with_")
        if isinstance(with_, exp.With) and with_ is not inner:
            for cte in with_.expressions:
                if cte is inner:
                    break
                if cte.alias == name and not cte.args.get("scalar"):
                    return True
        inner, outer = outer, outer.parent
    return False


def _table_not_known(name: str, schemas: Mapping[str, TableSchema], node: exp.Table) -> TableNotKnown:
    shown = name[:64] if name.isascii() else "?"
    known = sorted(schemas)
    near = difflib.get_close_matches(name.rsplit(".", 1)[-1], known, n=1, cutoff=0.7)
    listed = ", ".join(known[:_TABLES_LISTED]) + (", …" if len(known) > _TABLES_LISTED else "")
    metadata = {"table": shown, "known_tables": listed} | ({"nearest": near[0]} if near else {})
    advice = f"Its tables are: {listed}." if known else "It has no tables yet; create one first."
    return TableNotKnown(
        f"This platform has no table {shown}. {advice}" + (f" Did you mean {near[0]}?" if near else ""),
        metadata=metadata | position(node.parts[0]),
    )


def _bind_columns(nodes: Sequence[exp.Expr], bound: BoundNames, schemas: Mapping[str, TableSchema]) -> None:
    sources: dict[int, dict[str, TableSchema]] = {}  # id(SELECT) -> name in that SELECT -> table
    for table in bound.tables:
        select = table.find_ancestor(exp.Select)
        sources.setdefault(id(select), {})[table.alias_or_name] = schemas[table.name]
    read = {table.name: schemas[table.name] for table in bound.tables}
    aliases = _names_made(nodes)
    for node in nodes:
        if isinstance(node, exp.Column):
            _bind_column(node, sources, read, aliases, bound)
        elif isinstance(node, exp.Star) or _is_columns_call(node):
            for schema in _visible(node, sources).values():
                bound.columns.update((schema.name, column) for column in schema.columns)


def _names_made(nodes: Sequence[exp.Expr]) -> set[str]:
    """Every name the query itself makes: aliases, WITH names, parameters of lambdas, names of tuple parts."""
    made: set[str] = set()
    for node in nodes:
        if isinstance(node, exp.Alias | exp.CTE | exp.Table | exp.Subquery):
            made.add(node.alias)
        elif isinstance(node, exp.Lambda):
            made.update(parameter.name for parameter in node.expressions)
    made.discard("")
    return made


def _is_columns_call(node: exp.Expr) -> bool:
    return isinstance(node, exp.AnonymousAggFunc) and str(node.this).casefold() == "columns"


def _visible(node: exp.Expr, sources: Mapping[int, Mapping[str, TableSchema]]) -> Mapping[str, TableSchema]:
    return sources.get(id(node.find_ancestor(exp.Select)), {})


def _bind_column(
    node: exp.Column,
    sources: Mapping[int, Mapping[str, TableSchema]],
    read: Mapping[str, TableSchema],
    aliases: set[str],
    bound: BoundNames,
) -> None:
    if isinstance(node.this, exp.Star) or (
        isinstance(node.parent, exp.NestedJSONSelect) and node.arg_key == "expression"
    ):
        return  # in `properties.^geo` the last word is a path inside the JSON column
    parts = [part.name for part in node.parts]
    select = node.find_ancestor(exp.Select)
    while select is not None:
        visible = sources.get(id(select), {})
        qualified = visible.get(parts[0]) if len(parts) > 1 else None
        if qualified is not None and parts[0] not in qualified.columns:
            _bind_in(qualified, parts[1:], node, aliases, bound)
            return
        owner = next((schema for schema in visible.values() if _column_of(schema, parts)), None)
        if owner is not None:
            bound.columns.add((owner.name, _column_of(owner, parts) or parts[0]))
            return
        select = select.find_ancestor(exp.Select)
    _check_bare(parts, node, read, aliases)


def _bind_in(
    schema: TableSchema, parts: list[str], node: exp.Column, aliases: set[str], bound: BoundNames
) -> None:
    column = _column_of(schema, parts)
    if column is not None:
        bound.columns.add((schema.name, column))
    elif _WORD.fullmatch(parts[0]) and parts[0] not in aliases:
        raise _column_not_known(parts[0], schema.columns, node)


def _column_of(schema: TableSchema, parts: list[str]) -> str | None:
    """The column that `parts` names or leads into: `page`, `properties.page`, the nested `items.price`."""
    if parts[0] in schema.columns:
        return parts[0]
    dotted = ".".join(parts[:2])
    return dotted if dotted in schema.columns else None


def _check_bare(
    parts: list[str], node: exp.Column, read: Mapping[str, TableSchema], aliases: set[str]
) -> None:
    name = parts[0]
    if name.casefold() in functions.BARE_CALLS:
        raise function_refused(name, node.this)
    known = {column for schema in read.values() for column in schema.columns}
    if name in aliases or name in known or any(column.startswith(f"{name}.") for column in known):
        return
    if not _WORD.fullmatch(name) or (len(parts) == 1 and _runs_bare(name)):
        return
    raise _column_not_known(name, sorted(known | aliases), node)


def _runs_bare(name: str) -> bool:
    # `today` and `now` without brackets are calls that are allowed with brackets, so they may stay.
    return name.casefold() in _NO_COLUMNS or functions.is_allowed(name)


def _column_not_known(
    name: str, known: Mapping[str, str] | Sequence[str], node: exp.Column
) -> ColumnNotKnown:
    shown = name[:64] if name.isascii() else "?"
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    advice = f" Did you mean {near[0]}?" if near else " Look at the table's columns."
    return ColumnNotKnown(
        f"No table of this query has a column {shown}.{advice}",
        metadata={"column": shown} | ({"nearest": near[0]} if near else {}) | position(node.parts[0]),
    )
