"""The first look at a query's text, before it is parsed: size, characters, nesting, one SELECT and no more.

ClickHouse reads some characters beyond ASCII as quotes, minus signs or spaces, and stops at a NUL, where
another reader sees something else. So outside quotes a query is plain ASCII, and control characters stand
nowhere.
"""

from __future__ import annotations

import re
from typing import Any

from sqlglot import Token, TokenType
from sqlglot.errors import TokenError

from aidatalabs_services.data.dialect import DoorDialect
from aidatalabs_services.data.errors import (
    QueryConstructNotAllowed,
    QueryNotReadOnly,
    QuerySyntaxInvalid,
    QueryTooLarge,
)

MAX_SQL_BYTES = 16 * 1024
MAX_NESTING = 24

_DIALECT = DoorDialect()
_ESCAPE = re.compile(r"\\(x.{0,2}|.)", re.DOTALL)
_ASCII_BYTE = re.compile(r"\\x[0-7][0-9A-Fa-f]")
_LAYOUT = "\t\n\r"
_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})
_QUOTED = frozenset({TokenType.STRING, TokenType.HEREDOC_STRING, TokenType.RAW_STRING, TokenType.IDENTIFIER})
_QUERY_WORDS = frozenset({"SELECT", "WITH", "FROM", "("})
_STATEMENT_WORDS = """ALTER ANALYZE ATTACH BACKUP BEGIN CALL CHECK COMMIT COPY CREATE DELETE DESC DESCRIBE
DETACH DROP EXCHANGE EXECUTE EXISTS EXPLAIN GRANT IMPORT INSERT KILL LOAD LOCK MERGE
MOVE OPTIMIZE PARALLEL PRAGMA RENAME REPLACE RESTORE REVOKE ROLLBACK SET SHOW START
SUSPEND SYSTEM TRUNCATE UNDROP UNLOCK UPDATE USE VACUUM WATCH"""
_OTHER_STATEMENTS = frozenset(_STATEMENT_WORDS.split())


def read_tokens(sql: str) -> list[Token]:
    """The tokens of the one SELECT in `sql`, without the semicolon after it.

    Raises QueryTooLarge, QuerySyntaxInvalid, QueryNotReadOnly or QueryConstructNotAllowed.
    """
    _check_characters(sql)
    try:
        tokens = _DIALECT.tokenize(sql)
    except TokenError as error:
        raise QuerySyntaxInvalid(
            "The query cannot be read: a quote or comment is opened and never closed. Close it."
        ) from error
    _check_ascii(sql, tokens)
    _check_escapes(sql, tokens)
    tokens = _one_statement(tokens)
    _check_nesting(tokens)
    return tokens


def position(token_or_node: Any) -> dict[str, str]:
    """`line` and `position` in it, counted from 1, of a token or a node that knows them; else nothing."""
    if isinstance(token_or_node, Token):
        token = token_or_node
        place = {"line": token.line, "col": token.col, "start": token.start, "end": token.end}
    else:
        place = getattr(token_or_node, "meta", {})
    line, column = place.get("line"), place.get("col")
    if line is None or column is None:
        return {}
    # `col` is that of the last character.
    first = column - (place.get("end", 0) - place.get("start", 0))
    return {"line": str(line), "position": str(max(first, 1))}


def too_deep(cause: BaseException | None = None) -> QueryTooLarge:
    """The refusal for brackets, calls or operators nested beyond what the door reads."""
    error = QueryTooLarge(
        f"The query is nested too deeply: at most {MAX_NESTING} levels of brackets."
        " Split it with WITH … AS (…) or simplify it.",
        metadata={"limit": "nesting", "most": str(MAX_NESTING)},
    )
    error.__cause__ = cause
    return error


def _check_characters(sql: str) -> None:
    try:
        size_bytes = len(sql.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise QuerySyntaxInvalid("The query is not valid Unicode text. Send it as UTF-8.") from error
    if size_bytes > MAX_SQL_BYTES:
        raise QueryTooLarge(
            f"The query has {size_bytes} bytes; at most {MAX_SQL_BYTES} are read. Shorten it.",
            metadata={"limit": "bytes", "most": str(MAX_SQL_BYTES)},
        )
    for index, char in enumerate(sql):
        if (ord(char) < 32 or ord(char) == 127) and char not in _LAYOUT:
            raise QuerySyntaxInvalid(
                "The query holds a control character. Only tab and line ends are allowed; remove it.",
                metadata=_place(sql, index) | {"character": f"U+{ord(char):04X}"},
            )


def _place(sql: str, index: int) -> dict[str, str]:
    line_start = sql.rfind("\n", 0, index) + 1
    return {"line": str(sql.count("\n", 0, index) + 1), "position": str(index - line_start + 1)}


def _check_ascii(sql: str, tokens: list[Token]) -> None:
    if sql.isascii():
        return
    covered = 0
    spans = [(token.start, token.end + 1) for token in tokens if token.token_type in _QUOTED]
    for start, end in [*spans, (len(sql), len(sql))]:
        for index in range(covered, start):
            if not sql[index].isascii():
                raise QuerySyntaxInvalid(
                    "The query holds a character outside ASCII that is not inside quotes."
                    " Write plain quotes, spaces and minus signs; other letters only between quotes.",
                    metadata=_place(sql, index) | {"character": f"U+{ord(sql[index]):04X}"},
                )
        covered = end


def _check_escapes(sql: str, tokens: list[Token]) -> None:
    # What `\\x` means before anything but two hexadecimal digits, or above 7F, depends on who reads it.
    for token in tokens:
        if token.token_type == TokenType.STRING:
            for escape in _ESCAPE.finditer(sql, token.start, token.end + 1):
                if escape[0].startswith("\\x") and not _ASCII_BYTE.fullmatch(escape[0]):
                    raise QuerySyntaxInvalid(
                        r"A string holds \x without two digits from 00 to 7F. Write the character itself.",
                        metadata=_place(sql, escape.start()),
                    )


def _one_statement(tokens: list[Token]) -> list[Token]:
    statements: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            statements.append([])
        else:
            statements[-1].append(token)
    statements = [statement for statement in statements if statement]
    if not statements:
        raise QuerySyntaxInvalid("The query is empty. Write a SELECT.")
    for statement in statements:
        _check_first_word(statement[0])
    if len(statements) > 1:
        raise QueryConstructNotAllowed(
            "One query at a time: remove the semicolon and what follows it.",
            metadata={"construct": "several statements"} | position(statements[1][0]),
        )
    return statements[0]


def _check_first_word(first: Token) -> None:
    word = first.text.split(maxsplit=1)[0].upper() if first.text.strip() else ""
    if first.token_type == TokenType.IDENTIFIER or word not in _QUERY_WORDS | _OTHER_STATEMENTS:
        raise QuerySyntaxInvalid("The query does not begin with SELECT or WITH.", metadata=position(first))
    if word in _OTHER_STATEMENTS:
        raise QueryNotReadOnly(
            f"Only SELECT runs here, not {word}. The table and ingest calls make and change tables.",
            metadata={"statement": word} | position(first),
        )


def _check_nesting(tokens: list[Token]) -> None:
    depth = 0
    for token in tokens:
        if token.token_type in _OPENING:
            depth += 1
            if depth > MAX_NESTING:
                raise too_deep()
        elif token.token_type in _CLOSING:
            depth -= 1
