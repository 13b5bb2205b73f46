"""Names and texts as ClickHouse reads them."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_RESERVED = frozenset(
    [
        "select",
        "from",
        "where",
        "group",
        "by",
        "having",
        "order",
        "limit",
        "offset",
        "with",
        "as",
        "and",
        "or",
        "not",
        "in",
        "is",
        "null",
        "like",
        "between",
        "case",
        "when",
        "then",
        "else",
        "end",
        "distinct",
        "all",
        "any",
        "join",
        "left",
        "right",
        "inner",
        "outer",
        "full",
        "cross",
        "on",
        "using",
        "union",
        "intersect",
        "except",
        "array",
        "tuple",
        "interval",
        "prewhere",
        "sample",
        "final",
        "settings",
        "format",
        "into",
        "values",
        "insert",
        "table",
        "database",
        "true",
        "false",
        "asc",
        "desc",
        "over",
        "partition",
        "window",
        "qualify",
        "div",
        "mod",
        "cast",
        "extract",
        "date",
        "timestamp",
        "default",
        "key",
        "index",
        "view",
        "grant",
        "show",
        "set",
        "global",
        "anti",
        "semi",
        "asof",
        "fill",
        "to",
        "ilike",
    ]
)


def identifier(name: str) -> str:
    """A name as SQL, quoted where it has to be."""
    if _PLAIN.match(name) and name.casefold() not in _RESERVED:
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def literal(text: str) -> str:
    """Text as a string literal of ClickHouse."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    for char, code in (("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"), ("\0", "\\0")):
        escaped = escaped.replace(char, code)
    return f"'{escaped}'"


def select(columns: str, rows: str, *clauses: str) -> str:
    """A SELECT of these columns from these rows; empty clauses are left out."""
    return " ".join(("SELECT", columns, "FROM", rows, *(clause for clause in clauses if clause)))
