"""Queries that must give the same rows as another one, by rules that hold for every table.

Each rule says why it may help; whether it does is for the engine to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from aidatalabs_services.agent.planner.catalogue import Table
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.tuning.calendar import Span, span_of

_DIALECT = "clickhouse"
_ORDER_BLIND = (exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg)


@dataclass(frozen=True)
class Rewrite:
    """A query to try in place of another one, and why it could be faster."""

    sql: str
    why: str


def rewrites(sql: str, tables: tuple[Table, ...]) -> list[Rewrite]:
    """The rewrites of an admitted SELECT: each rule alone, then all that found something together."""
    tree = sqlglot.parse_one(sql, dialect=_DIALECT)
    found: list[Rewrite] = []
    together = tree.copy()
    for rule, why in _RULES:
        alone = tree.copy()
        if rule(alone, tables):
            found.append(Rewrite(alone.sql(dialect=_DIALECT), why))
            rule(together, tables)
    if len(found) > 1:
        found.append(Rewrite(together.sql(dialect=_DIALECT), "All of the others at once."))
    return found


def _times_as_ranges(tree: exp.Expr, tables: tuple[Table, ...]) -> bool:
    """`toYear(c) = 2024` and its like become a range of `c`, which sorting keys and partitions can use."""
    done = False
    for comparison in list(tree.find_all(exp.EQ)):
        span = span_of(comparison)
        column = span.column if span else None
        if span is None or column is None or not _is_time(column, tables):
            continue
        comparison.replace(exp.paren(_range(span, _kind(column, tables))))
        done = True
    return done


def _range(span: Span, kind: str) -> exp.Expr:
    midnight = " 00:00:00" if kind == "datetime" else ""
    first, after = (exp.Literal.string(day + midnight) for day in (span.first, span.after))
    low = exp.GTE(this=span.column.copy(), expression=first)
    high = exp.LT(this=span.column.copy(), expression=after)
    return exp.And(this=low, expression=high)


def _numbers_as_numbers(tree: exp.Expr, tables: tuple[Table, ...]) -> bool:
    """`toString(c) = '42'` becomes `c = 42` for whole numbers, which sorting keys can use."""
    done = False
    for comparison in list(tree.find_all(exp.EQ)):
        for side, other in (("this", "expression"), ("expression", "this")):
            column, text = _texted(comparison.args[side]), comparison.args[other]
            if column is None or not isinstance(text, exp.Literal) or not text.is_string:
                continue
            if _kind(column, tables) != "integer" or not _canonical(text.this):
                continue
            comparison.set(side, column.copy())
            comparison.set(other, sqlglot.parse_one(text.this, dialect=_DIALECT))
            done = True
            break
    return done


def _texted(node: exp.Expr) -> exp.Column | None:
    """The column that a text is made of: `toString(c)` or `CAST(c AS String)`."""
    inner: object = None
    if isinstance(node, exp.Anonymous) and node.name.lower() == "tostring" and len(node.expressions) == 1:
        inner = node.expressions[0]
    elif isinstance(node, exp.Cast) and node.to.this == exp.DataType.Type.TEXT:
        inner = node.this
    return inner if isinstance(inner, exp.Column) else None


def _canonical(text: str) -> bool:
    """Whether a number is written as the engine writes it: `42`, not `042` or `4e1`."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 18 and str(int(text)) == text


def _having_as_where(tree: exp.Expr, _: tuple[Table, ...]) -> bool:
    """Conditions of HAVING on what is grouped by go to WHERE: rows are left out before they are grouped."""
    done = False
    for select in list(tree.find_all(exp.Select)):
        having, group = select.args.get("having"), select.args.get("group")
        if having is None or group is None or any(v for k, v in group.args.items() if k != "expressions"):
            continue
        keys = {key.sql(dialect=_DIALECT) for key in group.expressions if isinstance(key, exp.Column)}
        aliases = {item.alias for item in select.expressions if isinstance(item, exp.Alias)}
        parts = list(having.this.flatten()) if isinstance(having.this, exp.And) else [having.this]
        moved = [part for part in parts if _of_keys(part, keys, aliases)]
        if not moved:
            continue
        kept = [part for part in parts if part not in moved]
        select.set("having", exp.Having(this=exp.and_(*kept)) if kept else None)
        select.where(*[part.copy() for part in moved], copy=False, dialect=_DIALECT)
        done = True
    return done


def _of_keys(part: exp.Expr, keys: set[str], aliases: set[str]) -> bool:
    """Whether a condition looks at grouping columns alone: no alias, no query, only plain comparisons."""
    columns = list(part.find_all(exp.Column))
    plain = not any(part.find(kind) for kind in (exp.AggFunc, exp.Func, exp.Subquery, exp.Select, exp.Window))
    named = all(c.sql(dialect=_DIALECT) in keys and c.name not in aliases for c in columns)
    return bool(columns) and plain and named


def _no_order_inside(tree: exp.Expr, _: tuple[Table, ...]) -> bool:
    """An ORDER BY inside FROM (…) without a LIMIT is work that nobody sees."""
    done = False
    for inner in list(tree.find_all(exp.Subquery)):
        select, outer = inner.this, inner.find_ancestor(exp.Select)
        if not isinstance(select, exp.Select) or outer is None or not isinstance(inner.parent, exp.From):
            continue
        if not select.args.get("order") or any(select.args.get(k) for k in ("limit", "offset", "limit_by")):
            continue
        called = [function for item in outer.expressions for function in item.find_all(exp.Func)]
        if not all(isinstance(function, _ORDER_BLIND) for function in called):
            continue  # groupArray, any and their like may follow the order of rows
        if not outer.args.get("group") and not any(i.find(exp.AggFunc) for i in outer.expressions):
            continue
        select.set("order", None)
        done = True
    return done


def _no_distinct_over_groups(tree: exp.Expr, _: tuple[Table, ...]) -> bool:
    """DISTINCT over groups whose keys are all selected finds nothing to leave out."""
    done = False
    for select in list(tree.find_all(exp.Select)):
        distinct, group = select.args.get("distinct"), select.args.get("group")
        if distinct is None or distinct.args.get("on") or group is None:
            continue
        if any(value for name, value in group.args.items() if name != "expressions"):
            continue
        shown = {item.unalias().sql(dialect=_DIALECT) for item in select.expressions}
        if group.expressions and all(key.sql(dialect=_DIALECT) in shown for key in group.expressions):
            select.set("distinct", None)
            done = True
    return done


def _columns(column: exp.Column, tables: tuple[Table, ...]) -> Iterator[str]:
    """Types of every column of that name in the tables of the query."""
    for table in tables:
        found = table.column(column.name)
        if found is not None:
            yield found.type


def _kind(column: exp.Column, tables: tuple[Table, ...]) -> str:
    """What kind of type a column has; empty where it is not sure: several tables have one of that name, or
    something in the query is called so too, which the engine would take instead."""
    called = {alias.alias for alias in column.root().find_all(exp.Alias)}
    if column.name in called:
        return ""
    kinds = [column_type(text).kind for text in _columns(column, tables)]
    return kinds[0] if len(kinds) == 1 else ""


def _is_time(column: exp.Column, tables: tuple[Table, ...]) -> bool:
    return _kind(column, tables) in ("date", "datetime")


_Rule = Callable[[exp.Expr, tuple[Table, ...]], bool]
_RULES: tuple[tuple[_Rule, str], ...] = (
    (
        _times_as_ranges,
        "A range of a time column can use sorting key and partitions; a function of it may not.",
    ),
    (_numbers_as_numbers, "The number itself can use the sorting key; its text cannot."),
    (_having_as_where, "Rows that a grouping key rules out are left out before they are grouped."),
    (_no_order_inside, "The rows inside FROM (…) need no order: nothing that reads them looks at it."),
    (_no_distinct_over_groups, "Groups are different rows already."),
)
