"""What names in a SELECT over a rolled-up table stand for, and which expressions a bucket can answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from aidatalabs_services.data import functions
from aidatalabs_services.data.dialect import ColonCast, Ternary
from aidatalabs_services.data.native.json_type import parse_column_type
from aidatalabs_services.data.rollups import time_axis
from aidatalabs_services.data.rollups.declarations import Dimension
from aidatalabs_services.data.rollups.layout import Layout

# Plain calls whose value is not a function of their arguments alone, or that change the number of rows.
_NO_CALLS = """rand rand32 rand64 randcanonical randuniform randnormal randbernoulli generateuuidv4
generateuuidv7 now now64 today yesterday current_date curdate current_timestamp localtimestamp arrayjoin
untuple ignore
grouping materialize"""
_NO_FUNCTIONS = frozenset(_NO_CALLS.split())
_OPERATORS = (
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.IntDiv, exp.And, exp.Or, exp.Not, exp.Neg, exp.Paren,
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.Null, exp.Boolean, exp.Literal,
    exp.Between, exp.In, exp.Like, exp.ILike, exp.RegexpLike, exp.NullSafeEQ, exp.NullSafeNEQ, exp.DPipe,
    exp.Case, exp.If, Ternary, exp.Tuple, exp.Array, exp.Cast, ColonCast, exp.DataType, exp.DataTypeParam,
    exp.Interval, exp.Var, exp.Substring, exp.Trim, exp.StrPosition, exp.Bracket, exp.Extract,
    exp.Identifier,
)  # fmt: skip


class NotServedError(Exception):
    """Why a SELECT is not answered from a roll-up, in a few words for the caller."""


@dataclass(frozen=True)
class Scope:
    """One SELECT over the rolled-up table, which it calls `alias`; `names` are what its projections make."""

    layout: Layout
    alias: str
    names: Mapping[str, exp.Expr]

    def column_of(self, node: exp.Expr) -> str | None:
        """The table's column that a plain column node names; None where it is none."""
        if not isinstance(node, exp.Column) or not isinstance(node.this, exp.Identifier):
            return None
        if node.args.get("db") or (node.table and node.table != self.alias):
            return None
        if node.table and node.table in self.layout.table.types:
            return None  # a path into the column of that name, which goes before the table's alias
        return node.name if node.name in self.layout.table.types else None

    def is_time(self, node: exp.Expr) -> bool:
        """Whether `node` is the bare time column."""
        return self.column_of(node) == self.layout.declaration.time_column

    def bucketed(self, node: exp.Expr) -> exp.Expr:
        """A copy of `node` over the roll-up's columns, true of each row of a bucket alike.

        Raises NotServedError where something in it is no dimension and no function of the bucket.
        """
        dimension = self._dimension(node)
        if dimension is not None:
            return dimension
        moment = time_axis.cuts(node, self.layout.declaration.grain, old_times=self.layout.old_times)
        if moment is not None and self.is_time(moment):
            return node.copy()
        if isinstance(node, exp.Column):
            return self._column(node)
        called = time_axis.call_of(node)
        if called is not None:
            check_call(called[0])
        elif not isinstance(node, _OPERATORS) or node.args.get("query") is not None:
            raise NotServedError(f"{type(node).__name__.upper()} is not answered from roll-ups")
        return self.rebuilt(node, self.bucketed)

    def rebuilt(self, node: exp.Expr, change: object) -> exp.Expr:
        """A copy of `node` whose children went through `change`."""
        made = node.copy()
        for child in list(made.iter_expressions()):
            if not isinstance(child, exp.Identifier):
                child.replace(change(child))  # type: ignore[operator]
        return made

    def _column(self, node: exp.Column) -> exp.Expr:
        name = self.column_of(node)
        if name is None:
            if not node.table and node.name in self.names:
                return node.copy()  # what it stands for is looked at where it is made
            raise NotServedError(f"{node.sql()[:60]} is nothing that a roll-up knows")
        if name == self.layout.declaration.time_column:
            if self.layout.time_type.name in ("Date", "Date32"):
                return node.copy()
            raise NotServedError(f"single moments of {name} are asked for, and roll-ups keep whole buckets")
        raise NotServedError(f"{name} is no dimension of the roll-up")

    def _dimension(self, node: exp.Expr) -> exp.Expr | None:
        for dimension in self.layout.dimensions:
            if not dimension.path:
                if isinstance(node, exp.Column) and self.column_of(node) == dimension.root:
                    return node.copy()
            else:
                found = self._path_value(node, dimension)
                if found is not None:
                    return found
        return None

    def _path_value(self, node: exp.Expr, dimension: Dimension) -> exp.Expr | None:
        """The path's value in the form that `node` asks for, or None where it asks for something else."""
        held = exp.column(exp.to_identifier(dimension.column, quoted=True))
        called = time_axis.call_of(node)
        if called is not None:
            inner, form = (
                (called[1][0], "text") if called[0] == "tostring" and len(called[1]) == 1 else (None, "")
            )
        elif isinstance(node, exp.JSONCast):
            inner, form = node.this, "typed" if _is_text(node.args["to"]) else ""
        elif isinstance(node, exp.Cast | ColonCast):
            to = node.args["to"]
            form = "" if not _is_text(to) else "nullable" if to.args.get("nullable") else "text"
            inner = node.this
        else:
            return None
        if inner is None or not form or (form == "typed") != dimension.typed:
            return None
        if not isinstance(inner, exp.Column | exp.Dot) or not self._is_path(inner, dimension):
            return None
        if form != "text":
            return held
        if self._is_declared(dimension):
            return None  # its NULL is no empty text
        return exp.AnonymousAggFunc(this="ifNull", expressions=[held, exp.Literal.string("")])

    def _is_declared(self, dimension: Dimension) -> bool:
        """Whether the path has a type of its own in the table."""
        declared = parse_column_type(self.layout.table.types[dimension.root]).names
        return ".".join(dimension.path) in declared

    def _is_path(self, node: exp.Expr, dimension: Dimension) -> bool:
        words = [part.name for part in node.parts] if isinstance(node, exp.Column | exp.Dot) else []
        if words and words[0] == self.alias and self.alias not in self.layout.table.types:
            words = words[1:]
        return tuple(words) == (dimension.root, *dimension.path)


def check_call(name: str) -> None:
    """Raises NotServedError for a call whose value is not a function of its arguments alone."""
    if functions.is_aggregate(name):
        raise NotServedError(f"{name} is not kept by roll-ups")
    if name in _NO_FUNCTIONS:
        raise NotServedError(f"{name} is no function of its arguments alone")


def _is_text(kind: exp.Expr) -> bool:
    word = getattr(kind.this, "name", kind.this)
    return isinstance(kind, exp.DataType | exp.DType) and str(word) == "TEXT"
