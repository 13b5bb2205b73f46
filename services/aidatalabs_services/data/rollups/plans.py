"""How one SELECT reads one roll-up: its parts over the roll-up's columns, and what stands after FROM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlglot import exp

from aidatalabs_services.data.dialect import DoorDialect
from aidatalabs_services.data.rollups import aggregates, time_axis
from aidatalabs_services.data.rollups.conditions import Bound, Conditions, conditions_of, whole
from aidatalabs_services.data.rollups.declarations import Dimension
from aidatalabs_services.data.rollups.layout import (
    PREFIX,
    Layout,
    State,
    block_condition,
    bucket,
    epoch_condition,
    last_tick,
    select_states,
)
from aidatalabs_services.data.rollups.progress import Progress
from aidatalabs_services.data.rollups.scope import NotServedError, Scope
from aidatalabs_services.data.table_ddl import quoted

_DIALECT = DoorDialect()
_REFUSED_PARTS = {
    "joins": "it joins tables",
    "prewhere": "PREWHERE",
    "qualify": "QUALIFY",
    "windows": "it uses windows",
    "limit_by": "LIMIT BY",
}


@dataclass(frozen=True)
class Source:
    """A roll-up that is ready: its layout, its hidden table, and the time before which it is not to be used.

    `not_before` (aware) is there where rows of the table expire: the engine drops them when it likes. An
    asynchronous one has `progress`: rows above its watermark are read themselves, unless `alone`.
    """

    layout: Layout
    target: str
    not_before: datetime | None = None
    progress: Progress | None = None
    alone: bool = False

    @property
    def lacks_rows(self) -> bool:
        """Whether there may be rows to read beside its states."""
        return self.progress is not None and not self.alone


def parsed(sql: str) -> exp.Expr:
    """The tree of SQL that the door wrote."""
    found = _DIALECT.parse(sql)[0]
    if found is None:
        raise ValueError("no statement")
    return found


def written(tree: exp.Expr) -> str:
    """A tree as SQL."""
    return _DIALECT.generator(comments=False).generate(tree, copy=True)


@dataclass
class Plan:
    """How one SELECT reads one roll-up."""

    source: Source
    scope: Scope
    conditions: Conditions
    parts: dict[str, list[exp.Expr]]  # projections, group, having, order: already over the roll-up
    states: list[State]
    dimensions: list[Dimension]
    error: float
    ragged: bool

    def put(self, select: exp.Select, database: str, froms: dict[str, str], *, shaped: bool) -> None:
        """Turns `select` into this plan's; `shaped` without conditions on time, over both sources."""
        for part, nodes in self.parts.items():
            if part == "expressions":
                select.set("expressions", [node.copy() for node in nodes])
            elif part == "having":
                select.set("having", exp.Having(this=nodes[0].copy()))
            else:
                select.args[part].set("expressions", [node.copy() for node in nodes])
        layout = self.source.layout
        target = f"{quoted(database)}.{quoted(self.source.target)}"
        shared = [each for _, each in self.conditions.shared]
        time = exp.column(exp.to_identifier(layout.declaration.time_column, quoted=True))
        alias = exp.TableAlias(this=exp.to_identifier(self.scope.alias, quoted=True))
        epochs = self._epochs() if not shaped else []
        if not self.ragged and not self.source.lacks_rows and not shaped:
            kept = [*epochs, *shared, *(bound.condition for bound in self.conditions.bounds)]
            select.set("where", exp.Where(this=_all_of(kept)) if kept else None)
            table = exp.Table(
                this=exp.to_identifier(self.source.target, quoted=True),
                db=exp.to_identifier(database, quoted=True),
                alias=alias,
            )
            select.set("from_", exp.From(this=table))
            return
        bounds = () if shaped else self.conditions.bounds
        whole_buckets = self._whole(bounds, time)
        columns = [
            time,
            *(exp.column(exp.to_identifier(each.column, quoted=True)) for each in self.dimensions),
        ]
        columns += [exp.column(exp.to_identifier(each.name, quoted=True)) for each in self.states]
        of_rollup = f"SELECT {', '.join(map(written, columns))} FROM {target} AS {quoted(self.scope.alias)}"  # noqa: S608
        kept = [*epochs, *whole_buckets, *shared]
        if kept:
            of_rollup += f" WHERE {written(_all_of(kept))}"
        of_rows = [
            select_states(
                layout,
                f"{quoted(database)}.{quoted(layout.table.name)} AS {quoted(self.scope.alias)}",
                condition,
                states=self.states,
                dimensions=self.dimensions,
            )
            for condition in self._row_conditions(bounds, shaped=shaped)
        ]
        # Put into the text at the end: reading it back into a tree would take longer than all the rest.
        mark = f"{PREFIX}from_{len(froms)}_"
        froms[mark] = f"({' UNION ALL '.join([of_rollup, *of_rows])})"
        select.set("where", None)
        select.set("from_", exp.From(this=exp.Table(this=exp.to_identifier(mark, quoted=True), alias=alias)))

    def is_better(self, than: Plan) -> bool:
        """Whether this reads less than a plan over fewer and larger buckets."""
        finer = self._grain_seconds < than._grain_seconds
        # Where buckets are cut, the rows of the cut ones cost most.
        return than.ragged and (not self.ragged or finer)

    @property
    def _grain_seconds(self) -> int:
        return self.source.layout.declaration.grain.seconds

    def trim(self, select: exp.Select) -> None:
        """Takes the conditions on time out of `select`, which stays over rows."""
        kept = [each for each, _ in self.conditions.shared]
        select.set("where", exp.Where(this=_all_of(kept)) if kept else None)

    def _whole(self, bounds: Sequence[Bound], first: exp.Expr) -> list[exp.Expr]:
        tick = last_tick(self.source.layout)
        last = (
            exp.Paren(this=exp.Add(this=first.copy(), expression=parsed_expression(tick))) if tick else first
        )
        held = whole(bounds, self.scope, first, last)
        if self.source.not_before is not None:
            held.append(exp.GTE(this=first.copy(), expression=_moment(self.source.not_before)))
        return held

    def _epochs(self) -> list[exp.Expr]:
        """The states that count, as a condition where that is not all of them."""
        progress = self.source.progress
        return [] if progress is None else [parsed_expression(epoch_condition(progress))]

    def _row_conditions(self, bounds: Sequence[Bound], *, shaped: bool) -> list[str]:
        """Rows inside `bounds` to read themselves, as SQL: those whose bucket is not whole, with a hint for
        the primary key, and those of whole buckets that came after the states. No row is in both.
        """
        layout = self.source.layout
        time = quoted(layout.declaration.time_column)
        kept = [written(_all_of([rows])) for rows, _ in self.conditions.shared]
        kept += [written(_all_of([bound.condition])) for bound in bounds]
        start = parsed_expression(bucket(layout, time))
        held = self._whole(bounds, start)
        conditions = []
        if self.ragged or shaped:
            cut = [*kept, f"NOT ({written(_all_of(held))})" if held else "NOT 1"]
            near = list(self._near(bounds, time))
            conditions.append([*cut, f"({' OR '.join(near)})"] if near else cut)
        if self.source.progress is not None and self.source.lacks_rows and not shaped:
            new = block_condition(self.source.progress.watermark)
            conditions.append([new, *kept, *([written(_all_of(held))] if held else [])])
        return [" AND ".join(f"({each})" for each in condition) for condition in conditions]

    def _near(self, bounds: Sequence[Bound], time: str) -> list[str]:
        # Two buckets of room on each side: these only save reading, what decides stands before them.
        room = f"toIntervalSecond({2 * self._grain_seconds})"
        near = []
        for bound in bounds:
            if bound.aligned:
                continue
            if bound.lower is not None:
                near.append(f"{time} < toDateTime64({written(bound.lower)}, 3) + {room}")
            if bound.upper is not None:
                near.append(f"{time} >= toDateTime64({written(bound.upper)}, 3) - {room}")
        if self.source.not_before is not None:
            near.append(f"{time} < {written(_moment(self.source.not_before))} + {room}")
        return near


def _moment(when: datetime) -> exp.Expr:
    return parsed_expression(f"toDateTime('{when:%Y-%m-%d %H:%M:%S}')")


def parsed_expression(sql: str) -> exp.Expr:
    """The tree of one expression that this package wrote."""
    return _parsed_once(sql).copy()


@lru_cache(maxsize=256)
def _parsed_once(sql: str) -> exp.Expr:
    found: exp.Expr = parsed(f"SELECT {sql}").expressions[0]
    return found.pop()


def _all_of(nodes: Sequence[exp.Expr]) -> exp.Expr:
    joined: exp.Expr | None = None
    for node in nodes:
        wrapped = node.copy() if isinstance(node, exp.Paren) else exp.Paren(this=node.copy())
        joined = wrapped if joined is None else exp.And(this=joined, expression=wrapped)
    return joined if joined is not None else exp.Literal.number(1)


def plan_of(
    select: exp.Select,
    table: exp.Table,
    source: Source,
    now: datetime,
    max_error: float,
    names: Sequence[str],
) -> Plan:
    """How `select`, which reads `table`, reads `source` instead. Raises NotServedError."""
    scope = Scope(source.layout, table.alias_or_name, _names_made(select, source.layout))
    _check_select(select)
    conditions = conditions_of(select.args["where"].this if select.args.get("where") else None, scope, now)
    states: dict[str, State] = {}
    errors = [0.0]

    def change(node: exp.Expr) -> exp.Expr:
        if aggregates.is_aggregate_call(node):
            found = aggregates.served(node, scope)
            if found.state is not None:
                states[found.state.name] = found.state
            errors.append(found.error)
            return found.call
        if not any(aggregates.is_aggregate_call(each) for each in node.walk()):
            return scope.bucketed(node)
        return scope.rebuilt(node, change)

    parts = _changed_parts(select, change, names)
    error = max(errors)
    if error > max_error:
        raise NotServedError(f"the roll-up answers within {error:g}, max_relative_error allows {max_error:g}")
    ragged = bool(conditions.ragged) or source.not_before is not None
    dimensions = _dimensions_used(parts, conditions, source.layout)
    return Plan(source, scope, conditions, parts, list(states.values()), dimensions, error, ragged)


def _names_made(select: exp.Select, layout: Layout) -> dict[str, exp.Expr]:
    made = {}
    for projection in select.expressions:
        if isinstance(projection, exp.Alias):
            name, meant = projection.alias, projection.this
            same = isinstance(meant, exp.Column) and meant.name == name
            if name in layout.table.types and not same:
                raise NotServedError(f"the name {name} is given to something else than the column")
            if name.startswith("_"):
                raise NotServedError("names that begin with _ are not looked into")
            made[name] = meant
    return made


def _check_select(select: exp.Select) -> None:
    for part, why in _REFUSED_PARTS.items():
        if select.args.get(part):
            raise NotServedError(why)
    if any(isinstance(each, exp.Window) for node in _own_nodes(select) for each in node.walk()):
        raise NotServedError("a window looks at each row")
    group, order = select.args.get("group"), select.args.get("order")
    if group is not None and any(group.args.get(each) for each in ("cube", "rollup", "grouping_sets")):
        raise NotServedError("subtotals are not answered from roll-ups")
    aggregated = any(
        aggregates.is_aggregate_call(each) for node in _own_nodes(select) for each in node.walk()
    )
    if not aggregated and group is None and not select.args.get("distinct"):
        raise NotServedError("it asks for rows, not for aggregates")
    distinct = select.args.get("distinct")
    if isinstance(distinct, exp.Distinct) and distinct.args.get("on"):
        raise NotServedError("DISTINCT ON")
    cut = select.args.get("limit") or select.args.get("offset")
    if cut is not None and order is None and (group is not None or select.args.get("distinct")):
        raise NotServedError("LIMIT without ORDER BY picks any rows")


def _own_nodes(select: exp.Select) -> list[exp.Expr]:
    nodes = list(select.expressions)
    for part in ("having", "order"):
        if select.args.get(part) is not None:
            nodes.append(select.args[part])
    return nodes


def _changed_parts(
    select: exp.Select, change: aggregates.Change, names: Sequence[str]
) -> dict[str, list[exp.Expr]]:
    projections = []
    for index, projection in enumerate(select.expressions):
        if isinstance(projection, exp.Alias):
            made: exp.Expr = projection.copy()
            made.set("this", change(projection.this))
        else:
            made = change(projection)
            if made != projection:
                made = exp.alias_(made, _name_of(projection, index, names), quoted=True)
        projections.append(made)
    parts: dict[str, list[exp.Expr]] = {"expressions": projections}
    if select.args.get("having") is not None:
        parts["having"] = [change(select.args["having"].this)]
    group, order = select.args.get("group"), select.args.get("order")
    if group is not None and group.expressions:
        parts["group"] = [change(each) for each in group.expressions]
    if order is not None:
        parts["order"] = [_ordered(each, change) for each in order.expressions]
    return parts


def _ordered(node: exp.Expr, change: aggregates.Change) -> exp.Expr:
    if not isinstance(node, exp.Ordered) or node.args.get("with_fill"):
        raise NotServedError("WITH FILL")
    made = node.copy()
    made.set("this", change(node.this))
    return made


def _name_of(projection: exp.Expr, index: int, names: Sequence[str]) -> str:
    if index < len(names):
        return names[index]
    called = time_axis.call_of(projection)
    if called is not None and len(called[1]) <= 1 and all(isinstance(each, exp.Column) for each in called[1]):
        return f"{projection.this}({', '.join(each.name for each in called[1])})"
    raise NotServedError("a column of a subquery has no name")


def _dimensions_used(
    parts: dict[str, list[exp.Expr]], conditions: Conditions, layout: Layout
) -> list[Dimension]:
    nodes = [node for each in parts.values() for node in each]
    nodes += [each for _, each in conditions.shared]
    used = {column.name for node in nodes for column in node.find_all(exp.Column)}
    return [each for each in layout.dimensions if each.column in used]
