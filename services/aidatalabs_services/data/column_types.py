"""The column types a table may have: an allow-list, read strictly and written by us, never pasted.

A caller's text becomes a tree of `ColumnType`; what reaches the engine is the tree written out in the form
in which the engine itself writes types, so that two descriptions of one table compare equal.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from aidatalabs_services.data.errors import TypeNotAllowed

_PLAIN = frozenset(
    [f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256)]
    + ["Float32", "Float64", "Bool", "String", "UUID", "Date", "Date32", "IPv4", "IPv6", "JSON"]
)
_DECIMAL_DIGITS = {"Decimal32": 9, "Decimal64": 18, "Decimal128": 38, "Decimal256": 76}
_MAP_KEYS = frozenset(["String", "UUID", "Date", "Bool", *(name for name in _PLAIN if "Int" in name)])
_NOT_NULLABLE = frozenset(["Array", "Map", "Tuple", "JSON", "Nullable", "LowCardinality"])
_NOT_SORTABLE = frozenset(["Array", "Map", "Tuple", "JSON", "Nullable"])
_ENUM_RANGE = {"Enum8": (-128, 127), "Enum16": (-32768, 32767)}
_MAX_DEPTH = 8
_MAX_MEMBERS = 1000

_TOKEN = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>-?[0-9]+)|(?P<text>'(?:[^'\\]|\\.|'')*')|(?P<mark>[(),=`]))",
    re.ASCII,
)
_ESCAPE = re.compile(r"\\(.)|''", re.DOTALL)
_UNESCAPED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}


@dataclass(frozen=True)
class ColumnType:
    """One type: its name, its inner types, and its parameters already written as text.

    Tuple fields have `names` (empty where they have none).
    """

    name: str
    inner: tuple[ColumnType, ...] = ()
    parameters: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The type as the engine writes it."""
        inner = [str(each) for each in self.inner]
        if self.names:
            inner = [f"{name} {each}" for name, each in zip(self.names, inner, strict=True)]
        arguments = ", ".join([*inner, *self.parameters])
        return f"{self.name}({arguments})" if arguments else self.name

    @property
    def base(self) -> ColumnType:
        """The type inside LowCardinality and Nullable."""
        return self.inner[0].base if self.name in ("LowCardinality", "Nullable") else self

    @property
    def nullable(self) -> bool:
        """Whether a value may be NULL."""
        return self.name == "Nullable" or (self.name == "LowCardinality" and self.inner[0].nullable)

    @property
    def is_time(self) -> bool:
        """A day or a moment that is never NULL: what partitions and a time to live are made of."""
        return self.name in ("Date", "Date32", "DateTime", "DateTime64")

    @property
    def is_text(self) -> bool:
        """Text of few or many values."""
        return self.base.name in ("String", "FixedString", "Enum8", "Enum16")

    @property
    def is_number(self) -> bool:
        """A number with an order."""
        name = self.base.name
        return "Int" in name or name.startswith(("Float", "Decimal"))

    @property
    def sortable(self) -> bool:
        """Whether a table may be ordered by it."""
        return not self.nullable and self.base.name not in _NOT_SORTABLE


def quote_text(text: str, quote: str = "'") -> str:
    """A SQL literal in single quotes, as the engine writes it; in backticks a name."""
    escaped = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
    for mark, char in _UNESCAPED.items():
        escaped = escaped.replace(char, "\\" + mark)
    return f"{quote}{escaped}{quote}"


def unquote_text(literal: str) -> str:
    """The text inside a SQL literal in single quotes."""
    return _ESCAPE.sub(lambda found: _UNESCAPED.get(found[1], found[1]) if found[1] else "'", literal[1:-1])


@lru_cache(maxsize=4096)
def parse_type(text: str) -> ColumnType:
    """Reads a type of the allow-list; raises TypeNotAllowed for anything else."""
    parser = _Parser(text)
    found = parser.type(0)
    parser.expect_end()
    return found


def _refuse(text: str, why: str) -> TypeNotAllowed:
    return TypeNotAllowed(
        f"The column type is not allowed: {why}. Use integers, floats, Decimal, Bool, String, UUID, dates, "
        "IPv4, IPv6, Enum, JSON, or LowCardinality, Nullable, Array, Map and Tuple of them.",
        metadata={"type": text[:200]},
    )


class _Parser:
    """A recursive descent over the tokens of one type; nested at most _MAX_DEPTH deep."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._read())
        self._at = 0

    def _read(self) -> list[tuple[str, str]]:
        tokens, at, end = [], 0, len(self._text.rstrip(" \t\r\n"))
        while at < end:
            found = _TOKEN.match(self._text, at)
            if found is None or found.lastgroup is None:
                raise _refuse(self._text, "it cannot be read")
            tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        return tokens

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self, kind: str) -> str:
        found, value = self._peek()
        if found != kind:
            raise _refuse(self._text, f"a {kind} is missing")
        self._at += 1
        return value

    def _mark(self, mark: str) -> None:
        if self._peek() != ("mark", mark):
            raise _refuse(self._text, f"'{mark}' is missing")
        self._at += 1

    def _takes(self, mark: str) -> bool:
        if self._peek() == ("mark", mark):
            self._at += 1
            return True
        return False

    def expect_end(self) -> None:
        if self._peek()[0] != "end":
            raise _refuse(self._text, "there is more after its end")

    def type(self, depth: int) -> ColumnType:
        if depth > _MAX_DEPTH:
            raise _refuse(self._text, f"it is nested more than {_MAX_DEPTH} deep")
        name = self._next("word")
        if name in _PLAIN:
            return ColumnType(name)
        if name == "DateTime":
            return ColumnType(name, parameters=self._zone(first=True))
        readers: dict[str, Callable[[str, int], ColumnType]] = {
            "DateTime64": self._datetime64,
            "Decimal": self._decimal,
            **dict.fromkeys(_DECIMAL_DIGITS, self._sized_decimal),
            **dict.fromkeys(_ENUM_RANGE, self._enum),
            "Nullable": self._nullable,
            "LowCardinality": self._low_cardinality,
            "Array": self._array,
            "Map": self._map,
            "Tuple": self._tuple,
        }
        if name not in readers:
            raise _refuse(self._text, f"{name[:60]} is not on the list")
        self._mark("(")
        found = readers[name](name, depth)
        self._mark(")")
        return found

    def _zone(self, *, first: bool) -> tuple[str, ...]:
        """`('Europe/Rome')` after DateTime, `, 'Europe/Rome'` inside DateTime64."""
        if not self._takes("(" if first else ","):
            return ()
        zone = unquote_text(self._next("text"))
        if zone not in _zones():
            raise _refuse(self._text, "its time zone is not known")
        if first:
            self._mark(")")
        return (quote_text(zone),)

    def _datetime64(self, name: str, _depth: int) -> ColumnType:
        digits = self._whole(0, 9, "DateTime64 keeps 0 to 9 digits of a second")
        return ColumnType(name, parameters=(str(digits), *self._zone(first=False)))

    def _whole(self, least: int, most: int, rule: str) -> int:
        value = int(self._next("number")[:8])
        if not least <= value <= most:
            raise _refuse(self._text, rule)
        return value

    def _decimal(self, name: str, _depth: int) -> ColumnType:
        digits = self._whole(1, 76, "Decimal has 1 to 76 digits")
        scale = self._whole(0, digits, "a Decimal's scale is at most its digits") if self._takes(",") else 0
        return ColumnType(name, parameters=(str(digits), str(scale)))

    def _sized_decimal(self, name: str, _depth: int) -> ColumnType:
        digits = _DECIMAL_DIGITS[name]
        return ColumnType(
            "Decimal", parameters=(str(digits), str(self._whole(0, digits, "its scale is too large")))
        )

    def _enum(self, name: str, _depth: int) -> ColumnType:
        least, most = _ENUM_RANGE[name]
        members: dict[str, int] = {}
        number = 0
        while not members or self._takes(","):
            label = unquote_text(self._next("text"))
            number = (
                self._whole(least, most, "an Enum's number is out of range")
                if self._takes("=")
                else number + 1
            )
            if (
                label in members
                or number in members.values()
                or number > most
                or len(members) >= _MAX_MEMBERS
            ):
                raise _refuse(self._text, "an Enum names each label and number once")
            members[label] = number
        ordered = sorted(members.items(), key=lambda member: member[1])
        return ColumnType(
            name, parameters=tuple(f"{quote_text(label)} = {value}" for label, value in ordered)
        )

    def _nullable(self, name: str, depth: int) -> ColumnType:
        inner = self.type(depth + 1)
        if inner.name in _NOT_NULLABLE:
            raise _refuse(self._text, f"{inner.name} cannot be Nullable")
        return ColumnType(name, (inner,))

    def _low_cardinality(self, name: str, depth: int) -> ColumnType:
        inner = self.type(depth + 1)
        if inner.base.name != "String" or inner.name == "LowCardinality":
            raise _refuse(self._text, "LowCardinality takes String or Nullable(String)")
        return ColumnType(name, (inner,))

    def _array(self, name: str, depth: int) -> ColumnType:
        return ColumnType(name, (self.type(depth + 1),))

    def _map(self, name: str, depth: int) -> ColumnType:
        key = self.type(depth + 1)
        if key.nullable or key.base.name not in _MAP_KEYS:
            raise _refuse(self._text, "a Map's key is text, a whole number, a UUID or a Date, and never NULL")
        self._mark(",")
        return ColumnType(name, (key, self.type(depth + 1)))

    def _tuple(self, name: str, depth: int) -> ColumnType:
        fields: list[tuple[str, ColumnType]] = []
        while not fields or self._takes(","):
            quoted = self._takes("`")
            following = self._tokens[self._at + 1 : self._at + 2]
            label = ""
            if quoted or (following and following[0][0] == "word"):
                label = self._next("word")
                if quoted:
                    self._mark("`")
            fields.append((label, self.type(depth + 1)))
            if len(fields) > _MAX_MEMBERS:
                raise _refuse(self._text, "a Tuple has at most 1,000 fields")
        names = [label for label, _ in fields if label]
        if names and (len(names) < len(fields) or len(set(names)) < len(names)):
            raise _refuse(self._text, "a Tuple names all of its fields, each once, or none")
        return ColumnType(name, tuple(inner for _, inner in fields), names=tuple(names))


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
