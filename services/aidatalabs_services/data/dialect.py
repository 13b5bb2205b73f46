"""The ClickHouse grammar the SQL door reads and writes: calls stay calls, casts stay casts.

A general SQL library translates between databases, so it turns `toStartOfHour(x)` into a truncation and
`a ? b : c` into a CASE. The door must not translate: what it admits has to come out with the same meaning.
So this dialect knows no function by name (every call is kept under the name that was written), keeps `::`
apart from CAST, reads `LIMIT n BY …` beside LIMIT, and writes every literal with escapes of its own.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from sqlglot import TokenType, exp
from sqlglot.dialects.clickhouse import ClickHouse
from sqlglot.generators.clickhouse import ClickHouseGenerator
from sqlglot.parsers.clickhouse import ClickHouseParser

# How a literal we write spells the characters that do not stand for themselves.
_ESCAPES = {chr(code): f"\\x{code:02X}" for code in (*range(32), 127)}
_ESCAPES |= {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}

_INTEGER = re.compile(r"-?[0-9]+")

_DATED = frozenset({TokenType.DATE, TokenType.TIMESTAMP})

# Calls whose arguments are not a plain list: `CAST(x AS T)`, `EXTRACT(YEAR FROM d)`, `trim(BOTH ' ' FROM s)`.
_SPECIAL_CALLS = ("CAST", "EXTRACT", "POSITION", "SUBSTRING", "TRIM")


class ColonCast(exp.Cast):
    """`x::T`. On a literal ClickHouse reads the digits themselves, so it is not the same as CAST(x AS T)."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "to": True}


class Ternary(exp.Expression):
    """`condition ? yes : no`."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "true": True, "false": True}


def _colon_cast(parser: Any, this: exp.Expr, to: exp.Expr) -> exp.Expr:
    return parser.expression(ColonCast(this=this, to=to))  # type: ignore[no-any-return]


class DoorParser(ClickHouseParser):
    """ClickHouse's SELECT, with every function call kept under its own name."""

    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[Any, Any]] = {
        name: parse for name, parse in ClickHouseParser.FUNCTION_PARSERS.items() if name in _SPECIAL_CALLS
    }
    NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[Any, Any]] = {
        "CASE": ClickHouseParser.NO_PAREN_FUNCTION_PARSERS["CASE"]
    }
    COLUMN_OPERATORS: ClassVar[dict[Any, Any]] = {
        TokenType.DOT: None,
        TokenType.DOTCOLON: ClickHouseParser.COLUMN_OPERATORS[TokenType.DOTCOLON],
        TokenType.DOTCARET: ClickHouseParser.COLUMN_OPERATORS[TokenType.DOTCARET],
        TokenType.DCOLON: _colon_cast,
    }
    QUERY_MODIFIER_PARSERS: ClassVar[dict[Any, Any]] = {
        **ClickHouseParser.QUERY_MODIFIER_PARSERS,
        TokenType.LIMIT: lambda self: self._parse_limit_clause(),
    }

    @classmethod
    def _resolve_clickhouse_agg(cls, name: str) -> tuple[str, tuple[str, ...]]:
        # Every call may carry a second list of arguments: quantileTDigest(0.9)(x), topKIf(3)(x, c).
        return name, ()

    def _parse_function(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
        token = self._curr
        found = super()._parse_function(*args, **kwargs)
        call = found
        while isinstance(call, exp.Window | exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
            call = call.this
        if isinstance(call, exp.AnonymousAggFunc | exp.ParameterizedAgg) and "line" not in call.meta:
            call.update_positions(token)
        return found

    def _parse_limit_clause(self) -> tuple[str, exp.Expr | None]:
        limit = self._parse_limit()
        if isinstance(limit, exp.Limit) and limit.expressions:
            return "limit_by", limit
        return "limit", limit

    def parse_set_operation(
        self, this: exp.Expr | None, consume_pipe: bool = False, intersect_only: bool = False
    ) -> exp.SetOperation | None:
        """One UNION, INTERSECT or EXCEPT; marked where brackets would have to decide what it binds."""
        found = super().parse_set_operation(this, consume_pipe, intersect_only)
        if found is not None and intersect_only:
            found.set("mixed", True)
        return found

    def _warn_unsupported(self) -> None:
        # The library would take any words as an opaque command and write them into its log.
        self.raise_error("not a query", self._tokens[0])

    def _parse_paren(self) -> exp.Expr | None:
        # The parser adds brackets of its own where it believes to know what binds tighter. Only the ones that
        # somebody wrote are marked, so that the others can be refused.
        found = super()._parse_paren()
        if isinstance(found, exp.Paren):
            found.meta["written"] = True
        return found

    def _parse_types(self, check_func: bool = False, *args: Any, **kwargs: Any) -> exp.Expr | None:
        # Where a value is expected, only `DATE '…'` and `TIMESTAMP '…'` begin with a type; `tuple(`, `map(`,
        # `date(` open a call. Trying each as a type first would double the work at every level of nesting.
        if check_func and not (
            self._curr.token_type in _DATED
            and self._next is not None
            and self._next.token_type == TokenType.STRING
        ):
            return None
        return super()._parse_types(check_func, *args, **kwargs)

    def _parse_join_parts(self) -> tuple[Any, Any, Any]:
        # `ANY INNER JOIN` and `INNER ANY JOIN` mean the same; keep one order so that writing is stable.
        method, side, kind = super()._parse_join_parts()
        if kind is not None and side is not None and kind.text.upper() == "INNER":
            side, kind = kind, side
        return method, side, kind

    def _parse_assignment(self) -> exp.Expr | None:
        this = super()._parse_assignment()
        if isinstance(this, exp.If):  # only `? :` makes one here: `if(…)` is a plain call
            return self.expression(Ternary(this=this.this, true=this.args["true"], false=this.args["false"]))
        return this


def _coloncast_sql(generator: Any, cast: ColonCast) -> str:
    return f"{generator.sql(cast, 'this')}::{generator.sql(cast, 'to')}"


def _ternary_sql(generator: Any, choice: Ternary) -> str:
    condition, yes, no = (generator.sql(choice, name) for name in ("this", "true", "false"))
    return f"{condition} ? {yes} : {no}"


class DoorGenerator(ClickHouseGenerator):
    """Writes what DoorParser read, so that ClickHouse reads the same tree."""

    TRANSFORMS: ClassVar[dict[Any, Any]] = {
        **ClickHouseGenerator.TRANSFORMS,
        ColonCast: _coloncast_sql,
        Ternary: _ternary_sql,
        exp.IntDiv: lambda self, e: self.func("intDiv", e.this, e.expression),
    }

    def literal_sql(self, expression: exp.Literal) -> str:
        """A number as it was written, a string between single quotes with our own escapes."""
        text = str(expression.this)
        if not expression.is_string:
            return text
        return "'" + "".join(_ESCAPES.get(char, char) for char in text) + "'"

    def rawstring_sql(self, expression: exp.RawString) -> str:
        """A `$$…$$` text becomes an ordinary literal."""
        return self.literal_sql(exp.Literal.string(expression.name))

    def interval_sql(self, expression: exp.Interval) -> str:
        """`INTERVAL 5 MINUTE`: the parser keeps a number as text, ClickHouse wants the number."""
        amount = expression.this
        if isinstance(amount, exp.Literal) and _INTEGER.fullmatch(amount.name):
            return f"INTERVAL {amount.name} {self.sql(expression, 'unit')}"
        return super().interval_sql(expression)

    def not_sql(self, expression: exp.Not) -> str:
        """The negation where ClickHouse people write it: `x NOT IN …`, `x IS NOT NULL`, `x NOT BETWEEN …`."""
        inner = expression.this
        if isinstance(inner, exp.In):
            return self.in_sql(inner, negated=True)
        if isinstance(inner, exp.Is):
            return f"{self.sql(inner, 'this')} IS NOT {self.sql(inner, 'expression')}"
        if isinstance(inner, exp.Between):
            this, low, high = (self.sql(inner, name) for name in ("this", "low", "high"))
            return f"{this} NOT BETWEEN {low} AND {high}"
        return f"NOT {self.sql(inner)}"

    def in_sql(self, expression: exp.In, negated: bool = False) -> str:
        """`x [GLOBAL] [NOT] IN (…)`."""
        words = ("GLOBAL " if expression.args.get("is_global") else "") + ("NOT " if negated else "")
        query = expression.args.get("query")
        right = self.sql(query) if query else f"({self.expressions(expression, flat=True)})"
        return f"{self.sql(expression, 'this')} {words}IN {right}"

    def is_sql(self, expression: exp.Is) -> str:
        """`x IS NULL`."""
        return f"{self.sql(expression, 'this')} IS {self.sql(expression, 'expression')}"

    def offset_limit_modifiers(
        self, expression: exp.Expr, fetch: bool, limit: exp.Fetch | exp.Limit | None
    ) -> list[str]:
        """`LIMIT n BY …` stands before the query's own LIMIT."""
        return [self.sql(expression, "limit_by"), *super().offset_limit_modifiers(expression, fetch, limit)]


class DoorDialect(ClickHouse):
    """The pair of them under one name."""

    class Tokenizer(ClickHouse.Tokenizer):
        """Quotes names with backticks when writing; reads both kinds."""

        IDENTIFIERS: ClassVar[list[str | tuple[str, str]]] = ["`", '"']

    Parser = DoorParser
    Generator = DoorGenerator
