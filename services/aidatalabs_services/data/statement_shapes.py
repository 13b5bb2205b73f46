"""Which pieces of SQL a query may be made of: an allow-list of node kinds and of the parts each may carry.

A kind or a part that is not listed is refused with a name people know, so what the parser learns to read
tomorrow is refused until somebody adds it here together with a test that it keeps its meaning.
"""

from __future__ import annotations

import re

from sqlglot import exp

from aidatalabs_services.data import functions
from aidatalabs_services.data.errors import FunctionNotAllowed, QueryConstructNotAllowed, QueryTooLarge
from aidatalabs_services.data.statement_text import position

MAX_NODES = 4000
MAX_NAME_LENGTH = 128

_PAIR = "this expression"
# Node kind -> the parts it may have.
_SHAPES: dict[str, frozenset[str]] = {
    kind: frozenset(parts.split())
    for kinds, parts in {
        "Add Sub Mul Div Mod IntDiv And Or Dot RegexpLike": _PAIR,
        "EQ NEQ GT GTE LT LTE Is NullSafeEQ NullSafeNEQ": _PAIR,
        "Collate Filter NestedJSONSelect Bracket Extract Distinct": "this expression expressions on",
        "DPipe": "this expression safe",
        "Like ILike": "this expression negate",
        "Not Neg Paren IgnoreNulls RespectNulls Null Boolean Var": "this",
        "Final From Having PreWhere Qualify Where Exists RawString BitString TableAlias": "this",
        "Literal": "this is_string",
        "HexString": "this is_integer",
        "Identifier": "this quoted",
        "Column": "this table db catalog",
        "Table": "this alias db catalog",
        "Alias": "this alias",
        "Aliases": "",
        "CTE": "this alias scalar",
        "With": "expressions",
        "Subquery": "this alias with_ order limit offset",
        "Select": "with_ expressions distinct from_ joins prewhere where group having qualify windows order"
        " limit_by limit offset",
        "Union Intersect Except": "this expression distinct with_",
        "Star": "except_ replace",
        "Array Tuple Cube Rollup GroupingSets": "expressions",
        "Anonymous AnonymousAggFunc": "this expressions",
        "ParameterizedAgg": "this expressions params",
        "Lambda": "this expressions",
        "Between": "this low high",
        "In": "this expressions query field is_global",
        "Case": "this ifs default",
        "If": "this true",
        "Ternary": "this true false",
        "Cast ColonCast JSONCast CastToStrType": "this to",
        "DataType": "this expressions nested nullable dialect",
        "DataTypeParam": "this",
        "ColumnDef": "this kind",
        "Interval": "this unit",
        "Substring": "this start length",
        "Trim": "this expression position",
        "StrPosition": "this substr position",
        "Join": "this on using kind side method global_ expressions",
        "Group": "expressions all cube rollup grouping_sets",
        "Order": "expressions interpolate",
        "Ordered": "this desc nulls_first with_fill",
        "WithFill": "from_ to step interpolate",
        "Limit": "expression expressions limit_options offset",
        "LimitOptions": "with_ties",
        "Offset": "expression",
        "Window": "this partition_by order spec over alias",
        "WindowSpec": "kind start start_side end end_side",
    }.items()
    for kind in kinds.split()
}  # fmt: skip

# What people call the things that are refused: (kind, part) or kind alone.
_NAMES = {
    "settings": "SETTINGS", "format": "FORMAT", "into": "INTO", "sample": "SAMPLE", "TableSample": "SAMPLE",
    "Placeholder": "query parameter", "Parameter": "query parameter", "Values": "VALUES", "Fetch": "FETCH",
    "Apply": "APPLY", "VarMap": "map in braces", "Any": "ANY", "All": "ALL", "recursive": "WITH RECURSIVE",
    "locks": "FOR UPDATE", "Unnest": "UNNEST", "Lateral": "LATERAL", "Pivot": "PIVOT", "pivots": "PIVOT",
    "hint": "hint", "Concat": "adjacent strings", "WithinGroup": "WITHIN GROUP",
    "columns": "a list of column names after a table", "laterals": "LATERAL VIEW",
    "totals": "WITH TOTALS", "mixed": "a mix of UNION, INTERSECT and EXCEPT", "joins": "JOIN in brackets",
    "PropertyEQ": "named argument", "Kwarg": "named argument",
}  # fmt: skip

_TYPE_WORDS = """ARRAY BIGINT BOOLEAN DATE DATE32 DATETIME DATETIME64 DECIMAL DECIMAL32
DECIMAL64 DECIMAL128 DECIMAL256 DOUBLE DYNAMIC ENUM ENUM8 ENUM16 FIXEDSTRING FLOAT INT
INT128 INT256 IPV4 IPV6 JSON LOWCARDINALITY MAP NULLABLE SMALLINT STRUCT TEXT TIMESTAMP
TINYINT UBIGINT UINT UINT128 UINT256 USMALLINT UTINYINT UUID VARCHAR"""
_TYPES = frozenset(_TYPE_WORDS.split())
_TYPE_TEXT = re.compile(r"[A-Za-z0-9_ (),'=/+:-]{1,200}")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTES = frozenset('`"\\')
_PRINTABLE = re.compile(r"[ !#-\[\]-_a-~]+")
_JOINS = """INNER OUTER CROSS SEMI ANTI ANY ALL ASOF ARRAY PASTE LEFT RIGHT FULL GLOBAL"""
_JOIN_WORDS = frozenset({"", *_JOINS.split()})
_TIGHT = (exp.Binary, exp.Neg, exp.Between, exp.In, exp.Cast, exp.Bracket)
_SIDES = ("this", "expression", "low", "high")
_COMPARING = (exp.Predicate, exp.Not, exp.Is, exp.In, exp.Between)
_MOVED = (exp.In, exp.Is, exp.Between, exp.RegexpLike, exp.NullSafeEQ, exp.NullSafeNEQ)
_SET_OPERATIONS = (exp.Union, exp.Intersect, exp.Except)


def not_allowed(construct: str, advice: str, node: exp.Expr | None = None) -> QueryConstructNotAllowed:
    """The refusal of a construct by the name people know it under, and what to do instead."""
    where = position(node) if node is not None else {}
    return QueryConstructNotAllowed(
        f"{construct[0].upper()}{construct[1:]} is not allowed in a query here. {advice}",
        metadata={"construct": construct} | where,
    )


def check_shapes(tree: exp.Expr, known_columns: frozenset[str]) -> list[exp.Expr]:
    """Every node of `tree` in walking order, each found to be of a kind and with parts that are allowed.

    `known_columns` are the only names outside plain ASCII that may stand between quotes.
    Raises QueryConstructNotAllowed, FunctionNotAllowed or QueryTooLarge.
    """
    nodes: list[exp.Expr] = []
    for node in tree.walk():
        nodes.append(node)
        if len(nodes) > MAX_NODES:
            raise QueryTooLarge(
                f"The query has more than {MAX_NODES} parts. Shorten its lists or split it.",
                metadata={"limit": "nodes", "most": str(MAX_NODES)},
            )
        kind = type(node).__name__
        allowed = _SHAPES.get(kind)
        if allowed is None:
            raise not_allowed(_NAMES.get(kind, kind.upper()), "Write the query without it.", node)
        for part, value in node.args.items():
            if value is not None and value is not False and value != [] and part not in allowed:
                raise not_allowed(
                    _NAMES.get(part, f"{kind.upper()} {part}"), "Write the query without it.", node
                )
        check = _CHECKS.get(kind)
        if check is not None:
            check(node, known_columns)
    return nodes


def _check_identifier(node: exp.Expr, known_columns: frozenset[str]) -> None:
    name = node.name
    if len(name) > MAX_NAME_LENGTH:
        raise not_allowed("a name of more than 128 characters", "Use a shorter one.", node)
    if _WORD.fullmatch(name) or (node.args.get("quoted") and _PRINTABLE.fullmatch(name)):
        return
    if name in known_columns and name.isprintable() and not _QUOTES & set(name):
        return
    if name.isdigit() and isinstance(node.parent, exp.Column | exp.Dot):
        return
    raise not_allowed(
        "a name with such characters", "Use letters, digits and underscores, or quote it.", node
    )


def _check_table(node: exp.Expr, _: frozenset[str]) -> None:
    if isinstance(node.this, exp.Identifier | exp.Dot):  # a dotted name is told apart with the other names
        return
    if isinstance(node.this, exp.Func):
        name = _called(node.this)
        raise FunctionNotAllowed(
            f"The table function {_shown(name)} may not be called. Name a table of the platform instead.",
            metadata={"function": _shown(name)} | position(node.this),
        )
    raise not_allowed("this kind of table", "Name a table of the platform.", node)


def _called(call: exp.Expr) -> str:
    return call.this if isinstance(call.this, str) else str(call.this.name)


def _check_call(node: exp.Expr, _: frozenset[str]) -> None:
    name = _called(node)
    if name.casefold() == "columns":
        if not (len(node.expressions) == 1 and node.expressions[0].is_string):
            raise not_allowed("COLUMNS without a pattern", "Write COLUMNS('^pattern').", node)
        return
    if not functions.is_allowed(name):
        raise function_refused(name, node)
    lowered = name.casefold()
    arguments = node.expressions
    if lowered in functions.NAMES_AN_AGGREGATE:
        first = arguments[0] if arguments else None
        called = first.name.split("(", 1)[0].strip() if isinstance(first, exp.Literal) else ""
        if not functions.is_aggregate(called):
            raise function_refused(called or "arrayReduce", node)
    if lowered in functions.NAMES_A_TYPE:
        wanted = arguments[1] if len(arguments) > 1 else None
        _check_type_text(wanted, node)


def _check_type_text(wanted: exp.Expr | None, node: exp.Expr) -> None:
    text = wanted.name if isinstance(wanted, exp.Literal) and wanted.is_string else ""
    if not _TYPE_TEXT.fullmatch(text) or "aggregatefunction" in text.casefold():
        raise not_allowed("a cast to this type", "Name a plain data type.", node)


def _shown(name: str) -> str:
    return name[:64] if name.isascii() else "?"


def function_refused(name: str, node: exp.Expr | None = None) -> FunctionNotAllowed:
    """The refusal of a call by name, with the nearest allowed function where one looks alike."""
    shown = _shown(name)
    near = functions.nearest(shown)
    advice = (
        f" Did you mean {near}?" if near else " Use functions that compute from the columns of your tables."
    )
    metadata = {"function": shown} | ({"nearest": near} if near else {})
    return FunctionNotAllowed(
        f"The function {shown} may not be called in a query.{advice}",
        metadata=metadata | (position(node) if node is not None else {}),
    )


def _check_type(node: exp.Expr, _: frozenset[str]) -> None:
    kind = node.this
    name = kind.name if isinstance(kind, exp.DType) else str(kind)
    if name not in _TYPES:
        raise not_allowed("a cast to this type", "Name a plain data type.", node)


def _check_cast_to_text(node: exp.Expr, _: frozenset[str]) -> None:
    _check_type_text(node.args.get("to"), node)


def _check_in(node: exp.Expr, _: frozenset[str]) -> None:
    if node.args.get("query") is not None:
        return
    # `x IN t` and `IN (t)` read a whole table in ClickHouse, so no name ever stands on the right, not even
    # that of a lambda's parameter.
    if not node.expressions or any(item.find(exp.Identifier, exp.Query) for item in node.expressions):
        raise not_allowed(
            "IN with a name on the right", "Write IN (SELECT column FROM table), or a list of values.", node
        )


def _check_join(node: exp.Expr, _: frozenset[str]) -> None:
    for part in ("kind", "side", "method", "global_"):
        if str(node.args.get(part) or "").upper() not in _JOIN_WORDS:
            raise not_allowed(
                "this kind of JOIN", "Use LEFT, RIGHT, INNER, FULL, CROSS, ASOF, SEMI or ANTI.", node
            )
    array = str(node.args.get("kind") or "").upper() == "ARRAY"
    if node.expressions and not array:
        raise not_allowed("this kind of JOIN", "Name one table after each JOIN.", node)


def _check_dot(node: exp.Expr, _: frozenset[str]) -> None:
    if not isinstance(node.expression, exp.Identifier | exp.Literal):
        raise not_allowed("a qualified function name", "Write the function's name alone.", node)


def _check_column(node: exp.Expr, _: frozenset[str]) -> None:
    for part in ("this", "table", "db", "catalog"):
        value = node.args.get(part)
        if value is not None and not isinstance(value, exp.Identifier | exp.Star | exp.Literal):
            raise not_allowed("a qualified function name", "Write the function's name alone.", node)


def _check_set_operation(node: exp.Expr, _: frozenset[str]) -> None:
    for side in (node.this, node.expression):
        if isinstance(side, _SET_OPERATIONS) and type(side) is not type(node):
            raise not_allowed("a mix of UNION, INTERSECT and EXCEPT", "Put brackets around each pair.", node)


def _check_var(node: exp.Expr, _: frozenset[str]) -> None:
    if not _WORD.fullmatch(node.name):
        raise not_allowed("this word", "Write the query without it.", node)


def _check_interval(node: exp.Expr, _: frozenset[str]) -> None:
    if not isinstance(node.args.get("unit"), exp.Var) or node.this is None:
        raise not_allowed("INTERVAL without a unit", "Write INTERVAL 1 DAY.", node)


def _check_loose(node: exp.Expr, _: frozenset[str]) -> None:
    # NOT, REGEXP and <=> are written in another order or with another word than they were read. That is only
    # safe where nothing binds tighter: not as an operand of another operator, and over no bare comparison.
    parent = node.parent
    operand = isinstance(parent, _TIGHT) and not isinstance(parent, exp.Connector)
    moved = node.this if isinstance(node, exp.Not) else node
    over = isinstance(moved, _MOVED) and any(isinstance(moved.args.get(part), _COMPARING) for part in _SIDES)
    if over or (operand and node.arg_key in _SIDES):
        raise not_allowed("a row of comparisons without brackets", "Put brackets around each.", node)


def _check_paren(node: exp.Expr, _: frozenset[str]) -> None:
    if not node.meta.get("written"):
        raise not_allowed("a row of comparisons without brackets", "Put brackets around each.", node.this)


def _check_tuple(node: exp.Expr, _: frozenset[str]) -> None:
    if len(node.expressions) == 1 and not isinstance(node.parent, exp.Distinct):
        raise not_allowed("a tuple of one", "Write tuple(x).", node)


_CHECKS = {
    "Tuple": _check_tuple,
    "Paren": _check_paren,
    "Not": _check_loose,
    "RegexpLike": _check_loose,
    "NullSafeEQ": _check_loose,
    "NullSafeNEQ": _check_loose,
    "Table": _check_table,
    "Identifier": _check_identifier,
    "Anonymous": _check_call,
    "AnonymousAggFunc": _check_call,
    "ParameterizedAgg": _check_call,
    "DataType": _check_type,
    "CastToStrType": _check_cast_to_text,
    "In": _check_in,
    "Join": _check_join,
    "Dot": _check_dot,
    "Column": _check_column,
    "Union": _check_set_operation,
    "Intersect": _check_set_operation,
    "Except": _check_set_operation,
    "Var": _check_var,
    "Interval": _check_interval,
}
