"""What a predicted statement may be, and how its clock is set."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlglot import Token, TokenType
from sqlglot.dialects.clickhouse import ClickHouse
from sqlglot.errors import TokenError

_REACHING_OUT = frozenset(
    (
        "file",
        "url",
        "urlcluster",
        "s3",
        "s3cluster",
        "gcs",
        "hdfs",
        "remote",
        "remotesecure",
        "cluster",
        "clusterallreplicas",
        "mysql",
        "postgresql",
        "mongodb",
        "redis",
        "sqlite",
        "jdbc",
        "odbc",
        "executable",
        "input",
        "azureblobstorage",
        "deltalake",
        "iceberg",
        "hudi",
    )
)
_BARE = frozenset(("current_date", "current_timestamp"))


def why_unsafe(sql: str) -> str:
    """Why a statement is never run: it is none or several, or reads or writes elsewhere; "" where it may."""
    try:
        tokens = ClickHouse().tokenize(sql)
    except TokenError:
        return "it cannot be read"
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    words = [token.text.lower() for token in tokens]
    if any(token.token_type is TokenType.SEMICOLON for token in tokens):
        return "several statements"
    if next((word for word in words if word != "("), "") not in ("select", "with"):
        return "no SELECT"
    for token, word, following in zip(tokens, words, [*words[1:], ""], strict=True):
        if _is_name(token) and word == "into" and following == "outfile":
            return "it writes a file"
        if _is_name(token) and word in _REACHING_OUT and following == "(":
            return f"it reads through {word}"
    return ""


def at(sql: str, now: datetime) -> str:
    """The statement with its readings of the clock replaced by `now` (UTC)."""
    moment = now.strftime("%Y-%m-%d %H:%M:%S")
    day = f"toDate('{now:%Y-%m-%d}')"
    instead = {
        "now": f"toDateTime('{moment}', 'UTC')",
        "localtimestamp": f"toDateTime('{moment}', 'UTC')",
        "current_timestamp": f"toDateTime('{moment}', 'UTC')",
        "now64": f"toDateTime64('{moment}.000', 3, 'UTC')",
        "today": day,
        "curdate": day,
        "current_date": day,
        "yesterday": f"toDate('{now - timedelta(days=1):%Y-%m-%d}')",
    }
    tokens = ClickHouse().tokenize(sql)
    written, done = [], 0
    for place, token in enumerate(tokens):
        if token.start < done or not _is_name(token) or token.text.lower() not in instead:
            continue
        last = _end_of_call(tokens, place)
        if last is None:
            if token.text.lower() not in _BARE:
                continue
            last = token
        written += [sql[done : token.start], instead[token.text.lower()]]
        done = last.end + 1
    return "".join([*written, sql[done:]])


def _is_name(token: Token) -> bool:
    return token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER, TokenType.HEREDOC_STRING)


def _end_of_call(tokens: list[Token], place: int) -> Token | None:
    """The closing bracket of a call with plain arguments that begins at a place, None where it is no call."""
    if place + 1 >= len(tokens) or tokens[place + 1].token_type is not TokenType.L_PAREN:
        return None
    for token in tokens[place + 2 :]:
        if token.token_type is TokenType.R_PAREN:
            return token
        if token.token_type is TokenType.L_PAREN:
            return None
    return None
