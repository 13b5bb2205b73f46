"""The one SQL door: a text goes in, and what comes out is SQL that is safe to hand to the engine.

The text is never executed. It is read into a tree, every node of the tree must be allowed, every name known,
and the engine gets SQL written anew from that tree. What people see and what a proof hashes is the same SQL
with the platform's own table names (`canonical_sql`).

    text -> statement_text (size, characters, one SELECT) -> tree
         -> statement_shapes (kinds of nodes, calls, types) -> statement_names (tables, columns)
         -> written anew -> read and checked once more -> Statement
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import Token, TokenType, exp
from sqlglot.errors import ErrorLevel, ParseError, UnsupportedError

from aidatalabs_services.data import functions
from aidatalabs_services.data.dialect import DoorDialect
from aidatalabs_services.data.errors import QueryNotReadOnly, QuerySyntaxInvalid
from aidatalabs_services.data.statement_names import BoundNames, TableSchema, bind
from aidatalabs_services.data.statement_shapes import check_shapes, not_allowed
from aidatalabs_services.data.statement_text import read_tokens, too_deep

__all__ = ["Statement", "TableSchema", "admit", "tree_of", "written"]

_DIALECT = DoorDialect()
_REMEMBERED = 512  # admitted statements kept, so that a dashboard's repeated query costs no parsing

# On broken text the library's own code can trip over a part it took for granted: a text it cannot read.
_READER_FAULTS = (AttributeError, IndexError, KeyError, TypeError, ValueError, AssertionError)

# A schema as a value: (table, ((column, type), …)) for each table, in the caller's order.
_SchemaKey = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True)
class Statement:
    """A query the engine may run."""

    sql: str  # with `database`.`table`; what the engine executes
    canonical_sql: str  # with the platform's table names; what people see and what the proof hashes
    sha256: str  # of canonical_sql in UTF-8, hexadecimal
    tables: tuple[str, ...]  # read by the query, sorted
    columns: tuple[tuple[str, str], ...]  # (table, column) read by it, sorted, as far as they can be told
    ordered: bool  # the outermost query has an ORDER BY, so the order of rows means something
    by_time: bool = False  # it may give other rows later, though the tables stay as they are
    by_chance: bool = False  # it may give other rows each time


def admit(sql: str, tables: Mapping[str, TableSchema], *, database: str) -> Statement:
    """The statement that `sql` asks for, over `tables` (by name) that live in the engine's `database`.

    Raises QueryNotReadOnly, QuerySyntaxInvalid, QueryTooLarge, QueryConstructNotAllowed, FunctionNotAllowed,
    TableNotKnown or ColumnNotKnown: all INVALID_ARGUMENT, all with words of our own.
    """
    key = tuple((name, tuple(schema.columns.items())) for name, schema in tables.items())
    try:
        return _admit(sql, key, database)
    except RecursionError as error:
        raise too_deep(error) from error


@functools.lru_cache(maxsize=_REMEMBERED)
def _admit(sql: str, key: _SchemaKey, database: str) -> Statement:
    tables = {name: TableSchema(name, dict(columns)) for name, columns in key}
    known_columns = frozenset(column for schema in tables.values() for column in schema.columns)
    first = _parse(sql, read_tokens(sql))
    bind(check_shapes(first, known_columns), tables)
    canonical = _written(first)
    # What is executed is the second text, so it is that text which has to pass, and to be stable.
    tokens = _DIALECT.tokenize(canonical)
    tree = _parse(canonical, tokens)
    bound = bind(check_shapes(tree, known_columns), tables)
    if _written(tree) != canonical:
        raise not_allowed("this way of writing the query", "Simplify it or add brackets.")
    ordered, words = _is_ordered(tree), _words(tokens)
    return Statement(
        sql=_physical(tree, bound, database),
        canonical_sql=canonical,
        sha256=hashlib.sha256(canonical.encode("utf-8")).hexdigest(),
        tables=tuple(sorted({table.name for table in bound.tables})),
        columns=tuple(sorted(bound.columns)),
        ordered=ordered,
        by_time=not words.isdisjoint(functions.TIME_FUNCTIONS),
        by_chance=not words.isdisjoint(functions.CHANCE_FUNCTIONS),
    )


def _words(tokens: Sequence[Token]) -> frozenset[str]:
    """Every word of a text but its string literals: functions are among them, and names of columns."""
    return frozenset(token.text.casefold() for token in tokens if token.token_type is not TokenType.STRING)


def tree_of(statement: Statement) -> exp.Query:
    """The tree of an admitted statement, read from its canonical text; the caller may change it."""
    return _parse(statement.canonical_sql, _DIALECT.tokenize(statement.canonical_sql))


def written(tree: exp.Expr) -> str:
    """The text of a part of such a tree. Raises QueryConstructNotAllowed where it has none."""
    return _written(tree)


def _parse(sql: str, tokens: Sequence[Token]) -> exp.Query:
    try:
        trees = _DIALECT.parser(error_level=ErrorLevel.IMMEDIATE).parse(list(tokens), sql)
    except ParseError as error:
        raise _syntax_invalid(error.errors[0] if error.errors else {}) from error
    except _READER_FAULTS as error:
        raise _syntax_invalid({}) from error
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Query) or isinstance(tree, exp.Table):
        raise QueryNotReadOnly("Only SELECT runs here. Write the query as a SELECT.")
    return tree


def _syntax_invalid(found: Mapping[str, object]) -> QuerySyntaxInvalid:
    line, column = found.get("line"), found.get("col")
    if line is None or column is None:
        return QuerySyntaxInvalid("The query cannot be read as ClickHouse SQL. Check it and send it again.")
    return QuerySyntaxInvalid(
        f"The query cannot be read as ClickHouse SQL near line {line}, character {column}."
        " Check that place and send it again.",
        metadata={"line": str(line), "position": str(column)},
    )


def _written(tree: exp.Expr) -> str:
    generator = _DIALECT.generator(comments=False, unsupported_level=ErrorLevel.RAISE)
    try:
        return generator.generate(tree, copy=False)
    except (UnsupportedError, ValueError) as error:
        raise not_allowed("a part of this query", "Write it in another way.") from error


def _is_ordered(tree: exp.Expr) -> bool:
    while isinstance(tree, exp.Subquery) and not tree.args.get("order"):
        tree = tree.this
    # In ClickHouse an ORDER BY after the last SELECT of a UNION sorts that SELECT alone.
    return bool(tree.args.get("order"))


def _physical(tree: exp.Query, bound: BoundNames, database: str) -> str:
    for table in bound.tables:
        if not table.alias:
            # Columns written as `flights.origin` keep their meaning, whatever database the table is in.
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
        table.set("db", exp.to_identifier(database, quoted=True))
        table.set("this", exp.to_identifier(table.name, quoted=True))
    return _written(tree)
