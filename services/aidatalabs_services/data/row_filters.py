"""A condition over the rows of one table, through the SQL door: what comes out may stand in ALTER … DELETE.

The text is put after WHERE of a SELECT over the table and admitted like any query; then the tree must have
that very shape (nothing of the text may have ended the condition), and only the condition's own tree is
written anew. Its value must depend on the row alone, because it is asked several times.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlglot import exp

from aidatalabs_services.data import statements
from aidatalabs_services.data.column_types import quote_text
from aidatalabs_services.data.errors import QuerySyntaxInvalid
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.statement_shapes import not_allowed
from aidatalabs_services.data.table_ddl import quoted

_FROM_CALL_TO_CALL = """now now64 today yesterday current_date curdate current_timestamp localtimestamp
rand rand32 rand64 randCanonical randUniform randNormal randBernoulli generateUUIDv4 generateUUIDv7"""
_UNSTABLE = frozenset(name.casefold() for name in _FROM_CALL_TO_CALL.split())
_NOT_BY_ROW = frozenset({"arrayjoin", "untuple", "grouping", "columns"})
_SELECT_PARTS = frozenset({"expressions", "from_", "where"})
_INTEGER_BITS = {f"{sign}Int{bits}": bits for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256)}


@dataclass(frozen=True)
class RowFilter:
    """A condition written anew from its parse: `sql` stands after WHERE, `sha256` is of it in hexadecimal."""

    sql: str
    sha256: str


def admit_filter(text: str, table: TableSchema, *, database: str) -> RowFilter:
    """The condition that `text` asks for over `table`.

    Raises what `statements.admit` does; QueryConstructNotAllowed also for subqueries, arrayJoin, and
    functions whose result changes from call to call.
    """
    known = {table.name: statements.TableSchema(table.name, table.types)}
    select = f"SELECT 1 FROM {quoted(table.name)} WHERE (\n{text}\n)"  # noqa: S608 - only read, by the door
    tree = statements.tree_of(statements.admit(select, known, database=database))
    condition = _condition(tree)
    for node in list(condition.walk()):
        _check(node, table)
    sql = statements.written(condition)
    return RowFilter(sql, hashlib.sha256(sql.encode()).hexdigest())


def user_filter(user_id: str, table: TableSchema, *, database: str) -> RowFilter | None:
    """The rows of one person: `user_id` equals that text. None where the column's type is none of user ids.

    A text that no value of the column can be written as gives a condition that holds for no row.
    """
    kind = table.types["user_id"]
    while kind.startswith(("Nullable(", "LowCardinality(")):
        kind = kind.partition("(")[2][:-1]
    if kind in _INTEGER_BITS:
        value = user_id if _fits(user_id, kind) else ""
        condition = f"user_id = {value}" if value else "false"
    elif kind == "String":
        condition = f"user_id = {quote_text(user_id)}"
    elif kind == "UUID":
        condition = f"toString(user_id) = {quote_text(user_id.lower())}"
    else:
        return None
    return admit_filter(condition, table, database=database)


def _fits(text: str, kind: str) -> bool:
    """Whether a whole number of this type is written as `text`."""
    digits = text.removeprefix("-") if not kind.startswith("U") else text
    if not (digits.isascii() and digits.isdigit()) or len(text) > 78 or text != str(int(text)):
        return False
    bits, value = _INTEGER_BITS[kind], int(text)
    low, high = (0, 2**bits - 1) if kind.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return bool(low <= value <= high)


def _condition(tree: exp.Query) -> exp.Expr:
    """What stands between our brackets; refused where the text closed them itself."""
    parts = {name for name, value in tree.args.items() if value}
    where = tree.args.get("where")
    inside = where.this if where is not None else None
    if not isinstance(tree, exp.Select) or parts != _SELECT_PARTS or not isinstance(inside, exp.Paren):
        raise QuerySyntaxInvalid(
            "The filter is not one condition. Write what would stand after WHERE, with brackets in pairs."
        )
    condition: exp.Expr = inside.this
    return condition


def _check(node: exp.Expr, table: TableSchema) -> None:
    if isinstance(node, exp.Query):
        raise not_allowed("a subquery in a filter", "Name the values themselves.", node)
    if isinstance(node, exp.Star):
        raise not_allowed("a star in a filter", "Name the columns.", node)
    if isinstance(node, exp.Window | exp.Alias):
        raise not_allowed("this in a filter", "Compare the columns of a row.", node)
    if isinstance(node, exp.Column):
        _check_column(node, table)
    called = node.this if isinstance(node, exp.Func) and isinstance(node.this, str) else ""
    if called.casefold() in _NOT_BY_ROW:
        raise not_allowed(f"{called} in a filter", "Compare the columns of a row.", node)
    if called.casefold() in _UNSTABLE:
        raise _unstable(called, node)


def _check_column(node: exp.Column, table: TableSchema) -> None:
    first = node.parts[0].name
    if len(node.parts) == 1 and first not in table.types and first.casefold() in _UNSTABLE:
        raise _unstable(first, node)
    if len(node.parts) > 1 and first == table.name and first not in table.types:
        # ALTER … DELETE knows the columns by their own names only.
        for part in ("catalog", "db", "table"):
            if node.args.get(part) is not None:
                node.set(part, None)
                break


def _unstable(name: str, node: exp.Expr) -> Exception:
    return not_allowed(f"{name} in a filter", "Write the value itself: a filter is asked twice.", node)
