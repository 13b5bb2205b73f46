"""The statement gate: what a request's SQL text is, and whether this engine runs it.

The engine's own parser decides the class and the number of statements (`Storage.classify`); the tokens
here answer what the parser does not tell: the first word, the FORMAT, where the data of an INSERT begins,
and the words that would reach around the gate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from aidatalabs_services.data.engine.faults import (
    ACCESS_DENIED,
    NOT_IMPLEMENTED,
    OUTFILE_NOT_ALLOWED,
    SUPPORT_IS_DISABLED,
    SYNTAX_ERROR,
    EngineFault,
)

# ClickHouse's lexer: four kinds of comment, four kinds of quotes, heredocs; curly quotes count as quotes, and
# many a character beyond ASCII as space. Here all of those do: what is none is an error to the engine.
_TOKEN = re.compile(
    rb"(?P<curly>\xe2\x80\x98.*?\xe2\x80\x99|\xe2\x80\x9c.*?\xe2\x80\x9d)"
    rb"|(?P<space>(?:\s|[\x80-\xff]|--[^\n]*|//[^\n]*|#[ !][^\n]*|/\*.*?\*/)+)"
    rb"|(?P<word>[A-Za-z_][A-Za-z0-9_$]*)"
    rb"|(?P<string>'(?:[^'\\]|\\.|'')*')"
    rb'|(?P<name>"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)'
    rb"|(?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"
    rb"|(?P<number>[0-9][0-9A-Za-z_.]*)"
    rb"|(?P<mark>.)",
    re.DOTALL,
)
_READ_WORDS = frozenset(
    (b"SELECT", b"WITH", b"FROM", b"(", b"SHOW", b"DESC", b"DESCRIBE", b"EXPLAIN", b"EXISTS", b"CHECK")
)
# Formats whose chunks are a correct stream when sent one after the other (ArrowStream and CSVWithNames:
# see streams.py).
_STREAM_FORMATS = frozenset(
    [
        "Native",
        "ArrowStream",
        "TabSeparated",
        "TSV",
        "CSV",
        "CSVWithNames",
        "JSONEachRow",
        "JSONCompactEachRow",
        "RowBinary",
    ]
)


class Kind(Enum):
    """What the engine does with a statement."""

    READ = "read"
    WRITE = "write"
    CONTROL = "control"


@dataclass(frozen=True)
class Token:
    """One word, quoted name, string, number or mark, with its place in the text (byte offsets)."""

    kind: str
    text: bytes
    start: int
    end: int

    @property
    def upper(self) -> bytes:
        """The text in capitals, for comparing keywords; quoted text never equals a keyword."""
        return self.text.upper()


@dataclass(frozen=True)
class Statement:
    """A statement the gate let through. `format` is the one its text names, if any."""

    text: str
    kind: Kind
    format: str | None
    has_result: bool
    is_select: bool = False

    def streams(self, format_name: str) -> bool:
        """Whether the result may be sent while it is being produced; the engine does so for SELECT only."""
        return self.kind is Kind.READ and self.is_select and format_name in _STREAM_FORMATS


@dataclass(frozen=True)
class InsertHead:
    """An INSERT whose rows follow its text: the head up to its settings, the settings, the format.

    `data_start` is the byte offset of the first data byte.
    """

    head: str
    settings: str
    format: str
    data_start: int

    def reading_from(self, path: str) -> str:
        """The statement that takes the rows from a file of this process."""
        return f"{self.head} FROM INFILE '{path}' COMPRESSION 'none' {self.settings}\nFORMAT {self.format}"

    def text(self) -> bytes:
        """The statement without its rows, for the gate; line ends close a comment the text may end with."""
        return f"{self.head} {self.settings}\nFORMAT {self.format}".encode()


def tokens(text: bytes) -> Iterator[Token]:
    """The tokens of `text` without spaces and comments."""
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "mark"
        if kind != "space":
            yield Token("string" if kind in ("curly", "heredoc") else kind, match.group(), *match.span())


def insert_head(text: bytes) -> InsertHead | None:
    """Splits `INSERT … FORMAT X <rows>` and `INSERT … VALUES <rows>`; None for every other statement.

    The rows are not looked at. A table may be called `values` or `format`: its name is skipped first.
    """
    stream = tokens(text)
    first = next(stream, None)
    if first is None or first.upper != b"INSERT":
        return None
    depth, previous, settings_at = 0, first, None
    named = False
    for token in stream:
        if token.text in (b"(", b"["):
            depth += 1
        elif token.text in (b")", b"]"):
            depth -= 1
        elif depth == 0 and token.kind == "word" and named and previous.text != b".":
            word = token.upper
            if word in (b"SELECT", b"WITH", b"WATCH"):
                return None
            if word == b"INFILE":
                raise EngineFault(
                    SUPPORT_IS_DISABLED, "FROM INFILE is not allowed: send the rows with the request"
                )
            if word == b"SETTINGS" and settings_at is None:
                settings_at = token.start
            elif word in (b"FORMAT", b"VALUES"):
                return _split(text, token, settings_at, stream)
        if token.kind in ("word", "name") and token.upper not in (b"INTO", b"TABLE", b"FUNCTION"):
            named = True
        previous = token
    return None


def _split(text: bytes, token: Token, settings_at: int | None, stream: Iterator[Token]) -> InsertHead | None:
    """The head that ends at FORMAT or VALUES (`token`); the rows begin after it."""
    format_name, end = "Values", token.end
    if token.upper == b"FORMAT":
        name = next(stream, None)
        if name is None or name.kind != "word":
            return None
        format_name, end = name.text.decode("ascii", "replace"), name.end
        if format_name.upper() != "VALUES":
            # One line end belongs to the text; binary rows begin right after it.
            while text[end : end + 1] in (b" ", b"\t", b"\f", b";"):
                end += 1
            end += 1 if text[end : end + 1] == b"\r" else 0
            end += 1 if text[end : end + 1] == b"\n" else 0
    split = token.start if settings_at is None else settings_at
    try:
        head, settings = text[:split].decode("utf-8"), text[split : token.start].decode("utf-8")
    except UnicodeDecodeError:
        raise EngineFault(SYNTAX_ERROR, "The SQL text is not UTF-8") from None
    return InsertHead(f"{head.rstrip()}\n", settings, format_name, end)


def admit(text: bytes, query_class: str, statement_count: int) -> Statement:
    """Lets one statement through or raises EngineFault.

    `query_class` and `statement_count` come from the engine's parser. One statement a request; no SET, USE,
    temporary table (a request has its own connection, they would be lost), no files in either direction.
    """
    found = list(tokens(text))
    if not found or found[0].text == b";":
        raise EngineFault(SYNTAX_ERROR, "Empty query")
    if statement_count != 1:
        raise EngineFault(SYNTAX_ERROR, "Multi-statements are not allowed: send one statement a request")
    _refuse_side_doors(found)
    first = found[0].upper
    kind = _kind(query_class, first, found)
    if kind is Kind.CONTROL and first == b"KILL":
        return Statement(_rewritten_kill(text, found), kind, _format_of(found), True)
    reads = kind is Kind.READ
    is_select = reads and first in (b"SELECT", b"WITH")
    return Statement(text.decode("utf-8"), kind, _format_of(found) if reads else None, reads, is_select)


def _kind(query_class: str, first: bytes, found: list[Token]) -> Kind:
    """Policy on the parser's class. MUTATING_GLOBAL is left to the engine's grants."""
    if query_class == "READ_ONLY" and first in _READ_WORDS:
        return Kind.READ
    if query_class in ("MUTATING", "MUTATING_GLOBAL"):
        return Kind.WRITE
    if query_class == "CONTROL":
        if first in (b"KILL", b"SYSTEM"):
            return Kind.CONTROL
        if any(token.upper == b"OUTFILE" for token in found):
            raise EngineFault(OUTFILE_NOT_ALLOWED, "INTO OUTFILE is not allowed")
        if first in (b"SET", b"USE"):
            raise EngineFault(
                SUPPORT_IS_DISABLED,
                "A request has its own connection: send settings and database as URL parameters",
            )
    raise EngineFault(SUPPORT_IS_DISABLED, "This kind of statement is not served here")


def _refuse_side_doors(found: list[Token]) -> None:
    """Refuses reading files, and renaming a running query so that it cannot be stopped."""
    in_settings = False
    for token, following in zip(found, [*found[1:], None], strict=True):
        if token.kind not in ("word", "name"):
            continue
        word = token.upper.strip(b'`"')
        after = following.text if following else b""
        if word == b"FILE" and after == b"(":
            raise EngineFault(ACCESS_DENIED, "Not enough privileges: the file() function is not allowed")
        if word == b"INFILE" and following is not None and following.kind == "string":
            raise EngineFault(
                SUPPORT_IS_DISABLED, "FROM INFILE is not allowed: send the rows with the request"
            )
        if word == b"SETTINGS":
            in_settings = True
        elif in_settings and word == b"LOG_COMMENT" and after == b"=":
            raise EngineFault(NOT_IMPLEMENTED, "log_comment carries the query id here and cannot be set")


def _format_of(found: list[Token]) -> str | None:
    """The name after the last FORMAT word of the text."""
    for index in range(len(found) - 2, 0, -1):
        if (
            found[index].kind == "word"
            and found[index].upper == b"FORMAT"
            and found[index + 1].kind == "word"
        ):
            return found[index + 1].text.decode("ascii", "replace")
    return None


def _rewritten_kill(text: bytes, found: list[Token]) -> str:
    """KILL QUERY by the client's query id, which the engine knows as the log comment."""
    pieces, position = [], 0
    for token in found:
        if token.kind in ("word", "name") and token.text.strip(b'`"').lower() == b"query_id":
            pieces += [text[position : token.start], b"Settings['log_comment']"]
            position = token.end
    return (b"".join(pieces) + text[position:]).decode("utf-8")
