"""Aggregates over rows as merges of states: which state answers which call, and with what error.

A state that is merged gives what the plain function gives over the same rows in another order. So it is the
same wherever the order of rows does not matter: counts, sums of whole numbers and decimals, minima, maxima,
and the functions of the uniq family, whose states depend on the set of values alone. Sums of binary fractions
are rounded at every addition: with n values each order stays within n·2⁻⁵³ of the sum of their magnitudes, so
two orders differ by at most `FLOAT_ERROR` of it as long as n is below 4.5·10⁹.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from aidatalabs_services.data import functions
from aidatalabs_services.data.rollups import time_axis
from aidatalabs_services.data.rollups.declarations import column_type
from aidatalabs_services.data.rollups.layout import QUANTILE_ERROR, QUANTILE_SCALE, State
from aidatalabs_services.data.rollups.scope import NotServedError, Scope

FLOAT_ERROR = 1e-6
# Five standard deviations of the uniq function, which keeps a sample of at least 32,768 hashes.
UNIQ_ERROR = 0.03
_ORDERLESS = frozenset({"min", "max", "uniq", "uniqexact", "uniqcombined", "uniqcombined64", "uniqhll12"})
_SPELLED = {
    name.casefold(): name
    for name in ("count", "sum", "avg", "min", "max", "uniq", "uniqCombined64", "uniqExact")
}
_QUANTILES = {"quantile": "quantileDD", "median": "quantileDD", "quantiles": "quantilesDD"}


@dataclass(frozen=True)
class Served:
    """An aggregate answered by merging: the new call, the state it reads, its relative error (0 = exact)."""

    call: exp.Expr
    state: State | None
    error: float


def is_aggregate_call(node: exp.Expr) -> bool:
    """Whether `node` is a call of an aggregate, however it is written."""
    if isinstance(node, exp.ParameterizedAgg):
        return True
    inner = node.this if isinstance(node, exp.Filter) else node
    called = time_axis.call_of(inner)
    return called is not None and functions.is_aggregate(called[0])


def served(node: exp.Expr, scope: Scope) -> Served:
    """How the aggregate call `node` is answered over the roll-up of `scope`. Raises NotServedError."""
    condition: exp.Expr | None = None
    if isinstance(node, exp.Filter):
        condition, node = node.expression.this, node.this
    parameters: list[exp.Expr] = []
    if isinstance(node, exp.ParameterizedAgg):
        name, parameters, arguments = str(node.this).casefold(), node.expressions, list(node.args["params"])
    else:
        name, arguments = time_axis.call_of(node) or ("", [])
    if name.endswith("if") and functions.is_aggregate(name[:-2]) and arguments and condition is None:
        name, condition, arguments = name[:-2], arguments[-1], arguments[:-1]
    where = scope.bucketed(condition) if condition is not None else None
    if name in _QUANTILES:
        return _quantile(name, parameters, arguments, where, scope)
    if parameters:
        raise NotServedError(f"{name} is not kept by roll-ups")
    if name == "count":
        return _count(arguments, where, scope)
    if name in _ORDERLESS and len(arguments) == 1 and not _reads_kept(arguments[0], scope):
        return _over_dimensions(name, node, arguments[0], where, scope)
    if name in _SPELLED and len(arguments) == 1:
        return _kept(_SPELLED[name], arguments[0], where, scope)
    raise NotServedError(f"{name} is not kept by roll-ups")


def _count(arguments: list[exp.Expr], where: exp.Expr | None, scope: Scope) -> Served:
    argument = arguments[0] if arguments else None
    if isinstance(argument, exp.Distinct):
        if len(argument.expressions) != 1:
            raise NotServedError("distinct pairs are not kept by roll-ups")
        return _distinct(argument.expressions[0], where, scope)
    if argument is not None and not isinstance(argument, exp.Star) and not time_axis.is_whole(argument):
        column = scope.column_of(argument)
        kind = column_type(scope.layout.table, column) if column else None
        if column is None or kind is None:
            raise NotServedError("count of an expression is not kept by roll-ups")
        if kind.nullable:
            return _kept("count", argument, where, scope)
    return _merged(scope.layout.state("count"), "count", where, 0.0)


def _distinct(argument: exp.Expr, where: exp.Expr | None, scope: Scope) -> Served:
    if not _reads_kept(argument, scope):
        call = exp.AnonymousAggFunc(this="uniqExact", expressions=[argument.copy()])
        return _over_dimensions("uniqexact", call, argument, where, scope)
    return _kept("uniqExact", argument, where, scope)


def _reads_kept(argument: exp.Expr, scope: Scope) -> bool:
    """Whether `argument` needs states: it is no dimension and no function of the bucket."""
    try:
        scope.bucketed(argument)
    except NotServedError:
        return True
    return False


def _over_dimensions(
    name: str, node: exp.Expr, argument: exp.Expr, where: exp.Expr | None, scope: Scope
) -> Served:
    # How often a value occurs does not matter to these, and a bucket is there if one of its rows is.
    spelled = str(node.this)
    call = spelled[:-2] if where is not None and spelled.casefold() == f"{name}if" else spelled
    arguments = [scope.bucketed(argument)]
    if where is not None:
        call, arguments = f"{call}If", [*arguments, where]
    return Served(exp.AnonymousAggFunc(this=call, expressions=arguments), None, 0.0)


def _kept(function: str, argument: exp.Expr, where: exp.Expr | None, scope: Scope) -> Served:
    column = scope.column_of(argument)
    if column is None:
        raise NotServedError(f"{function} of an expression is not kept by roll-ups")
    state = scope.layout.state(function, column)
    if state is not None:
        return _merged(state, function, where, _rounding(function, column, scope))
    near = scope.layout.state("uniq", column)
    if function in ("uniqExact", "uniqCombined64") and near is not None:
        return _merged(near, "uniq", where, UNIQ_ERROR)
    raise NotServedError(f"{function}({column}) is not kept by the roll-up")


def _rounding(function: str, column: str, scope: Scope) -> float:
    kind = column_type(scope.layout.table, column)
    rounds = function in ("sum", "avg") and kind is not None and kind.base.name.startswith("Float")
    return FLOAT_ERROR if rounds else 0.0


def _quantile(
    name: str,
    parameters: list[exp.Expr],
    arguments: list[exp.Expr],
    where: exp.Expr | None,
    scope: Scope,
) -> Served:
    column = scope.column_of(arguments[0]) if len(arguments) == 1 else None
    state = scope.layout.state("quantiles", column) if column else None
    levels_are_plain = all(isinstance(each, exp.Literal) and not each.is_string for each in parameters)
    if state is None or not levels_are_plain or (name != "quantiles" and len(parameters) > 1):
        raise NotServedError(f"{name} of this is not kept by the roll-up")
    levels = [each.copy() for each in parameters] or [exp.Literal.number("0.5")]
    accuracy = exp.Literal.number(str(QUANTILE_ERROR))
    merged = exp.ParameterizedAgg(
        this=f"{_QUANTILES[name]}Merge{'If' if where is not None else ''}",
        expressions=[accuracy, *levels],
        params=[_held(state), *([where] if where is not None else [])],
    )
    scale = exp.Literal.number(repr(QUANTILE_SCALE))
    if name != "quantiles":
        return Served(exp.Paren(this=exp.Div(this=merged, expression=scale)), state, QUANTILE_ERROR)
    each = exp.to_identifier("_q")
    divided = exp.Lambda(this=exp.Div(this=exp.column(each), expression=scale), expressions=[each.copy()])
    call = exp.AnonymousAggFunc(this="arrayMap", expressions=[divided, merged])
    return Served(call, state, QUANTILE_ERROR)


def _merged(state: State | None, function: str, where: exp.Expr | None, error: float) -> Served:
    if state is None:
        raise NotServedError(f"{function} is not kept by the roll-up")
    name, arguments = f"{function}Merge", [_held(state)]
    if where is not None:
        name, arguments = f"{name}If", [*arguments, where]
    return Served(exp.AnonymousAggFunc(this=name, expressions=arguments), state, error)


def _held(state: State) -> exp.Expr:
    return exp.column(exp.to_identifier(state.name, quoted=True))


Change = Callable[[exp.Expr], exp.Expr]
