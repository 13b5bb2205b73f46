"""What a query asks of one of its tables: conditions, groups, figures and order that a layout can serve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from aidatalabs_services.agent.planner.catalogue import Column, Table
from aidatalabs_services.agent.planner.columntypes import column_type

_DIALECT = "clickhouse"
_TIME_WORDS = """toDate toStartOfHour toStartOfDay toStartOfWeek toMonday toStartOfMonth toStartOfQuarter
toStartOfYear toYear toMonth toYYYYMM toHour toDayOfWeek"""
_TIME_PARTS = {name.lower(): name for name in _TIME_WORDS.split()}
_BEGINNINGS = {
    "HOUR": "toStartOfHour",
    "DAY": "toStartOfDay",
    "WEEK": "toMonday",
    "MONTH": "toStartOfMonth",
    "QUARTER": "toStartOfQuarter",
    "YEAR": "toStartOfYear",
}
_FIGURES: dict[type[exp.Expr], str] = {exp.Sum: "sum", exp.Min: "min", exp.Max: "max", exp.Avg: "avg"}
_UNIQ = {"uniq": "uniq", "uniqexact": "uniqExact"}
_LEAST_PIECE = 4


@dataclass(frozen=True)
class Reads:
    """What one table is asked for, by its columns.

    `used` are all columns that it names, empty where it takes every one with `*`. `equal` are (column, how
    many values) of conditions with `=` and IN, `ranges` columns of other comparisons, `pieces` those that a
    piece of text is looked for in. `keys` are (column, function of time or nothing) of groups, `figures`
    (function, column) of aggregates. `is_summed` says that nothing but these is read, `order_by` names the
    columns of an ORDER BY with a LIMIT. A text inside a JSON column is a column with `path_of`, named as a
    roll-up names it; `paths` are all that the query looks into, without what they are read as.
    """

    table: Table
    used: tuple[Column, ...]
    equal: tuple[tuple[Column, int], ...]
    ranges: tuple[Column, ...]
    pieces: tuple[Column, ...]
    keys: tuple[tuple[Column, str], ...]
    figures: tuple[tuple[str, str], ...]
    is_summed: bool
    order_by: tuple[Column, ...]
    paths: tuple[str, ...] = ()


def reads_of(sql: str, table: Table, others: tuple[Table, ...]) -> Reads:
    """What an admitted SELECT asks of `table`, where it also reads `others`."""
    tree = sqlglot.parse_one(sql, dialect=_DIALECT)
    names = _Names(tree, table, others)
    select = tree if isinstance(tree, exp.Select) else None
    alone = select is not None and not list(tree.find_all(exp.Subquery, exp.CTE, exp.Join, exp.SetOperation))
    keys, figures, summed = _summed(select, names) if select is not None and alone else ((), (), False)
    used = {column.name: column for node in tree.find_all(exp.Column) if (column := names.column(node))}
    looked = {
        (root.name, path): root
        for node in tree.find_all(exp.Column)
        if (found := names.path(node))
        for root, path in (found,)
    }
    used |= {root.name: root for root in looked.values()}
    conditions = _Conditions(tree, names)
    return Reads(
        table,
        () if _takes_all(tree) else tuple(used.values()),
        tuple(conditions.equal.values()),
        tuple(conditions.ranges.values()),
        tuple(conditions.pieces.values()),
        keys,
        figures,
        summed,
        _ordered(select, names) if select is not None and alone else (),
        tuple(path for _, path in looked),
    )


def _takes_all(tree: exp.Expr) -> bool:
    """Whether the query selects `*`, other than in `count(*)`."""
    return any(not isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star))


class _Names:
    """Which columns of the table the names in a query stand for; none where it is not sure."""

    def __init__(self, tree: exp.Expr, table: Table, others: tuple[Table, ...]) -> None:
        self._table = table
        self._aliases = {node.alias_or_name for node in tree.find_all(exp.Table) if node.name == table.name}
        self._elsewhere = {column.name for other in others for column in other.columns}
        self._made = {node.alias for node in tree.find_all(exp.Alias)}

    def column(self, node: exp.Expr | None) -> Column | None:
        """The table's column that a node is; None for anything else."""
        if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
            return None
        found = self._table.column(node.name)
        if found is None or found.path_of:
            return None
        if node.table:
            return found if node.table in self._aliases else None
        return None if node.name in self._elsewhere or node.name in self._made else found

    def path(self, node: exp.Expr | None) -> tuple[Column, str] | None:
        """The JSON column that a node looks into, and the path as `column.path`; None for anything else."""
        if not isinstance(node, exp.Column):
            return None
        parts = [part.name for part in node.parts]
        if len(parts) > 2 and parts[0] in self._aliases:
            parts = parts[1:]
        root = self._table.column(parts[0]) if len(parts) > 1 else None
        if root is None or column_type(root.type).kind != "json" or root.name in self._elsewhere:
            return None
        return root, ".".join(parts)

    def group(self, node: exp.Expr | None) -> Column | None:
        """The column that a node is, or the text inside a JSON column that it reads."""
        if not isinstance(node, exp.Cast) or node.to.this != exp.DataType.Type.TEXT:
            return self.column(node)
        found = self.path(node.this)
        if found is None:
            return None
        root, path = found
        known = self._table.column(path)
        name = f"{path}.:String" if isinstance(node, exp.JSONCast) else path
        count = known.distinct_count if known is not None else None
        return Column(name, "String", distinct_count=count, path_of=root.name)


class _Conditions:
    """The conditions of every WHERE, and of every part of a JOIN, on columns of the table."""

    def __init__(self, tree: exp.Expr, names: _Names) -> None:
        self.equal: dict[str, tuple[Column, int]] = {}
        self.ranges: dict[str, Column] = {}
        self.pieces: dict[str, Column] = {}
        for node in tree.walk():
            if isinstance(node, exp.Where | exp.PreWhere):
                for part in _parts(node.this):
                    self._take(part, names)

    def _take(self, part: exp.Expr, names: _Names) -> None:
        sides = (part.this, part.args.get("expression"))
        if isinstance(part, exp.EQ):
            for one, other in (sides, sides[::-1]):
                column = names.group(one)
                if column is not None and other is not None and not other.find(exp.Column):
                    self.equal[column.name] = (column, 1)
        elif isinstance(part, exp.In):
            column = names.group(part.this)
            if column is not None and part.expressions:
                self.equal[column.name] = (column, len(part.expressions))
        elif isinstance(part, exp.GT | exp.GTE | exp.LT | exp.LTE | exp.Between):
            for one in sides:
                column = names.column(one)
                if column is not None:
                    self.ranges[column.name] = column
        elif isinstance(part, exp.Like):
            column = names.column(part.this)
            pattern = part.expression.name if isinstance(part.expression, exp.Literal) else ""
            if column is not None and len(pattern.strip("%_")) >= _LEAST_PIECE:
                self.pieces[column.name] = column


def _parts(condition: exp.Expr) -> Iterator[exp.Expr]:
    """The conditions that must hold, one by one; OR and NOT are none of a key's."""
    node = condition.unnest()
    if isinstance(node, exp.And):
        yield from _parts(node.this)
        yield from _parts(node.expression)
    else:
        yield node


def _summed(
    select: exp.Select, names: _Names
) -> tuple[tuple[tuple[Column, str], ...], tuple[tuple[str, str], ...], bool]:
    """Keys and figures of a SELECT that groups, and whether these are all it reads of rows."""
    group = select.args.get("group")
    wanted = [_resolved(each, select) for each in (group.expressions if group else ())]
    found = [_key(each, names) for each in wanted]
    keys = tuple(dict.fromkeys(each for each in found if each is not None))
    figures: list[tuple[str, str]] = []
    whole = len(found) == len(wanted) and None not in found
    for called in select.find_all(exp.AggFunc, exp.CountIf):
        figure = _figure(called, names)
        whole = whole and figure is not None
        figures += [figure] if figure is not None else []
    return keys, tuple(dict.fromkeys(figures)), whole and bool(figures)


def _resolved(node: exp.Expr, select: exp.Select) -> exp.Expr:
    """What a grouping key stands for where it is the name of something selected."""
    if isinstance(node, exp.Column) and not node.table:
        for item in select.expressions:
            if isinstance(item, exp.Alias) and item.alias == node.name:
                made: exp.Expr = item.this
                return made
    return node


def _key(node: exp.Expr, names: _Names) -> tuple[Column, str] | None:
    column = names.group(node)
    if column is not None:
        return column, ""
    columns = list(node.find_all(exp.Column))
    inner = names.column(columns[0]) if len(columns) == 1 else None
    text = node.sql(dialect=_DIALECT)
    name = _TIME_PARTS.get(text.partition("(")[0].lower(), "")
    name = name if text.count("(") == 1 and "," not in text else ""
    if isinstance(node, exp.TimestampTrunc) and node.this is (columns[0] if columns else None):
        name = _BEGINNINGS.get(
            node.text("unit").upper(), ""
        )  # so the parser reads toStartOfHour and its like
    if inner is None or not name:
        return None
    return (inner, name) if column_type(inner.type).temporal else None


def _figure(called: exp.Expr, names: _Names) -> tuple[str, str] | None:
    if isinstance(called, exp.Count):
        if called.this is None or isinstance(called.this, exp.Star):
            return "count", ""
        if isinstance(called.this, exp.Distinct) and len(called.this.expressions) == 1:
            column = names.column(called.this.expressions[0])
            return ("uniqExact", column.name) if column is not None else None
        column = names.column(called.this)
        return ("count", column.name) if column is not None else None
    function = _FIGURES.get(type(called), "")
    text = called.sql(dialect=_DIALECT).partition("(")[0].lower()
    function = function or _UNIQ.get(text, "")
    arguments = [each for each in called.iter_expressions() if isinstance(each, exp.Column)]
    column = names.column(arguments[0]) if len(arguments) == 1 else None
    return (function, column.name) if function and column is not None else None


def _ordered(select: exp.Select, names: _Names) -> tuple[Column, ...]:
    order = select.args.get("order")
    if order is None or not select.args.get("limit") or select.args.get("group"):
        return ()
    found = [names.column(each.this) for each in order.expressions]
    return tuple(each for each in found if each is not None) if None not in found else ()
