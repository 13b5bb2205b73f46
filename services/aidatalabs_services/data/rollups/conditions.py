"""WHERE over a rolled-up table: what every row of a bucket shares, and ranges that cut through buckets.

A bound on the time column is kept as it was written. Over a bucket it is asked twice, of its first and its
last moment: a condition that is a comparison with one constant holds for a stretch of time without gaps, so
where it holds for both it holds for all between. Such buckets are read from the roll-up (`whole`); the rows
of the others are read themselves, and a row is always in exactly one of the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlglot import exp

from aidatalabs_services.data.dialect import ColonCast
from aidatalabs_services.data.rollups import time_axis
from aidatalabs_services.data.rollups.scope import NotServedError, Scope, check_call

_LOWER, _UPPER = "lower", "upper"
_SIDES: dict[type[exp.Expr], str] = {exp.GT: _LOWER, exp.GTE: _LOWER, exp.LT: _UPPER, exp.LTE: _UPPER}
_TURNED = {_LOWER: _UPPER, _UPPER: _LOWER}
_CONSTANT = (
    exp.Literal, exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Paren, exp.Interval, exp.Var, exp.Cast, ColonCast,
    exp.DataType, exp.DataTypeParam, exp.AnonymousAggFunc, exp.Null,
)  # fmt: skip


@dataclass(frozen=True)
class Bound:
    """A condition on the time column alone; `lower` and `upper` are the constants that it compares with.

    `aligned` says that it can never cut through a bucket.
    """

    condition: exp.Expr
    lower: exp.Expr | None
    upper: exp.Expr | None
    aligned: bool


@dataclass(frozen=True)
class Conditions:
    """A WHERE taken apart. `shared` are true or false of whole buckets, `bounds` restrict the time column."""

    shared: tuple[tuple[exp.Expr, exp.Expr], ...]  # (over rows, over the roll-up's columns)
    bounds: tuple[Bound, ...]

    @property
    def ragged(self) -> tuple[Bound, ...]:
        """The bounds that may cut through a bucket."""
        return tuple(bound for bound in self.bounds if not bound.aligned)


def conditions_of(where: exp.Expr | None, scope: Scope, now: datetime) -> Conditions:
    """The parts of a WHERE; names that the projections make are written out first. Raises NotServedError."""
    shared: list[tuple[exp.Expr, exp.Expr]] = []
    bounds: list[Bound] = []
    for part in _conjuncts(_without_names(where, scope, 0) if where is not None else None):
        timed = time_axis.with_clock(part, now)
        bound = _bound(timed, scope)
        if bound is not None:
            bounds.append(bound)
        else:
            shared.append((timed, scope.bucketed(timed)))
    return Conditions(tuple(shared), tuple(bounds))


def _conjuncts(node: exp.Expr | None) -> Iterator[exp.Expr]:
    if isinstance(node, exp.And):
        yield from _conjuncts(node.this)
        yield from _conjuncts(node.expression)
    elif isinstance(node, exp.Paren) and isinstance(node.this, exp.And):
        yield from _conjuncts(node.this)
    elif node is not None:
        yield node


def _without_names(node: exp.Expr, scope: Scope, depth: int) -> exp.Expr:
    if depth > 8:
        raise NotServedError("names that stand for each other")

    def change(each: exp.Expr) -> exp.Expr:
        if isinstance(each, exp.Column) and not each.table and each.name in scope.names:
            meant = scope.names[each.name]
            if scope.column_of(meant) != each.name:
                return exp.Paren(this=_without_names(meant, scope, depth + 1))
        return each

    return node.copy().transform(change)


def _bound(node: exp.Expr, scope: Scope) -> Bound | None:
    """`node` as a bound on the time column, None where it is none."""
    while isinstance(node, exp.Paren):
        node = node.this
    if scope.layout.time_type.name in ("Date", "Date32"):
        return None  # a bucket is one value: a plain condition on it
    grain = scope.layout.declaration.grain
    if isinstance(node, exp.Between) and scope.is_time(node.this):
        low, high = node.args["low"], node.args["high"]
        return Bound(node, low, high, aligned=False) if _is_constant(low) and _is_constant(high) else None
    if isinstance(node, exp.EQ):
        other = _other_side(node, scope)
        return Bound(node, other, other, aligned=False) if other is not None else None
    side = _SIDES.get(type(node))
    other = _other_side(node, scope) if side is not None else None
    if side is None or other is None:
        return None
    turned = scope.is_time(node.expression)
    side = _TURNED[side] if turned else side
    aligned = _meets(node, turned=turned) and time_axis.is_aligned(other, grain)
    return Bound(node, other if side == _LOWER else None, other if side == _UPPER else None, aligned)


def _meets(node: exp.Expr, *, turned: bool) -> bool:
    """Whether a comparison lets a stretch begin with its bound or end right before it: `>= b` and `< b`.

    With `> b` the bucket that begins with b lacks its first moment, with `<= b` one moment of it is there.
    """
    return isinstance(node, exp.LTE | exp.GT if turned else exp.GTE | exp.LT)


def _other_side(node: exp.Expr, scope: Scope) -> exp.Expr | None:
    left: exp.Expr = node.this
    right: exp.Expr = node.expression
    if scope.is_time(left) and _is_constant(right):
        return right
    return left if scope.is_time(right) and _is_constant(left) else None


def _is_constant(node: exp.Expr) -> bool:
    for each in node.walk():
        if isinstance(each, exp.Identifier):
            return False
        called = time_axis.call_of(each)
        if called is not None:
            try:
                check_call(called[0])
            except NotServedError:
                return False
        elif not isinstance(each, _CONSTANT):
            return False
    return True


def whole(bounds: Sequence[Bound], scope: Scope, first: exp.Expr, last: exp.Expr) -> list[exp.Expr]:
    """Conditions that hold for a bucket where `bounds` hold for all its moments, `first` to `last`."""
    held = []
    for bound in bounds:
        held.append(_asked_of(bound.condition, scope, first))
        if not bound.aligned:
            held.append(_asked_of(bound.condition, scope, last))
    if last != first and any(not bound.aligned for bound in bounds):
        # In the last bucket that the type can hold, `last` has run over its end and is back at the beginning.
        held.append(exp.GTE(this=last.copy(), expression=first.copy()))
    return held


def _asked_of(condition: exp.Expr, scope: Scope, moment: exp.Expr) -> exp.Expr:
    return condition.copy().transform(lambda each: moment.copy() if scope.is_time(each) else each)
