"""`filter` and `order_by` of the list methods: a small part of AIP-160, read into plain conditions.

    filter    = [condition {"AND" condition}]
    condition = field operator value
    operator  = "=" | "!=" | "<" | ">" | ":"
    value     = a quoted text ("…" or '…', in which \\ stands before a quote or another \\), or a bare word of
                letters, digits and _ . + @ / : -

`:` (has) is true where a text holds the value, whatever the case of letters. `<` and `>` compare texts
character by character and timestamps by time. Everything is bounded, nothing backtracks, and what cannot be
read is refused with the place and what may stand there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest

LONGEST_FILTER_CHARACTERS = 1000
MOST_CONDITIONS = 20
LONGEST_ORDER_CHARACTERS = 100

OPERATORS = ("=", "!=", "<", ">", ":")

_SPACE = " \t\r\n"
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_BARE = re.compile(r"[\w.+@/-][\w.+@/:-]*")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\[\"'\\])*\"|'(?:[^'\\]|\\[\"'\\])*'")
_OPERATOR = re.compile("|".join(map(re.escape, ("!=", "=", "<", ">", ":"))))
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# What neither PostgreSQL nor JSON can hold.
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_KEYWORDS = ("AND", "OR", "NOT")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?)([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


@dataclass(frozen=True)
class FieldKind:
    """What a field holds, hence how it may be compared: `TEXT`, `TIMESTAMP` or `CHOICE(…)`."""

    operators: tuple[str, ...]
    choices: tuple[str, ...] = ()
    is_time: bool = False

    TEXT: ClassVar[FieldKind]
    TIMESTAMP: ClassVar[FieldKind]

    @staticmethod
    def CHOICE(*words: str) -> FieldKind:  # noqa: N802 - stands beside TEXT and TIMESTAMP
        """One of these words, as the contract spells them; compared with = and != alone."""
        return FieldKind(("=", "!="), words)


FieldKind.TEXT = FieldKind(OPERATORS)
FieldKind.TIMESTAMP = FieldKind(("=", "!=", "<", ">"), is_time=True)


@dataclass(frozen=True)
class Condition:
    """One comparison; `value` is a datetime in UTC for a timestamp, a text for every other kind."""

    field: str
    operator: str
    value: str | datetime

    def holds(self, actual: str | datetime) -> bool:
        """Whether a value of the field's kind meets it; the meaning that every other place must keep."""
        if isinstance(actual, datetime) and isinstance(self.value, datetime):
            return _compared(self.operator, actual, self.value)
        if not isinstance(actual, str) or not isinstance(self.value, str):
            raise TypeError(f"{self.field} is compared with a value of another kind")
        if self.operator == ":":
            return self.value.lower() in actual.lower()
        return _compared(self.operator, actual, self.value)


def _compared(operator: str, actual: str | datetime, wanted: str | datetime) -> bool:
    if operator == "=":
        return actual == wanted
    if operator == "!=":
        return actual != wanted
    return actual < wanted if operator == "<" else actual > wanted  # type: ignore[operator]  # of one kind


@dataclass(frozen=True)
class Order:
    """The field a list is sorted by."""

    field: str
    descending: bool = False


def parse_filter(text: str, fields: Mapping[str, FieldKind]) -> tuple[Condition, ...]:
    """The conditions of a filter, all of which must hold; none for an empty text.

    At most 1,000 characters and 20 conditions. Raises InvalidRequest with a violation on `filter` that names
    the character (counted from 1) where reading stopped, and the fields there are.
    """
    return _Reader(text, fields).conditions()


def render_filter(conditions: Sequence[Condition]) -> str:
    """The one spelling of conditions; `parse_filter` reads it back as they are."""
    return " AND ".join(f"{one.field} {one.operator} {_quoted(one.value)}" for one in conditions)


def parse_order(text: str, fields: Sequence[str], default: str) -> Order:
    """The order of a list: a field, ` desc` after it for descending; `default` (spelt alike) when empty.

    Raises InvalidRequest with a violation on `order_by`.
    """
    words = text.split() or default.split()
    if len(text) <= LONGEST_ORDER_CHARACTERS and words[0] in fields and words[1:] in ([], ["desc"]):
        return Order(words[0], descending=len(words) == 2)
    raise InvalidRequest(
        "The order_by cannot be read. Name one field, with ' desc' after it for the other direction.",
        violations=[FieldViolation("order_by", f"must be one of {', '.join(fields)}, optionally with desc")],
    )


def _quoted(value: str | datetime) -> str:
    if isinstance(value, datetime):
        return f'"{value.astimezone(UTC).isoformat().removesuffix("+00:00")}Z"'
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Reader:
    """Reads one filter from left to right."""

    def __init__(self, text: str, fields: Mapping[str, FieldKind]) -> None:
        self._text = text
        self._fields = fields
        self._at = 0

    def conditions(self) -> tuple[Condition, ...]:
        if len(self._text) > LONGEST_FILTER_CHARACTERS:
            raise self._refused(f"is longer than {LONGEST_FILTER_CHARACTERS} characters")
        odd = _NO_TEXT.search(self._text)
        if odd:
            raise self._refused_at(odd.start(), "holds a character that no text of ours can hold")
        found: list[Condition] = []
        self._skip()
        while self._at < len(self._text):
            if found:
                self._join()
            if len(found) == MOST_CONDITIONS:
                raise self._refused(f"has more than {MOST_CONDITIONS} conditions")
            found.append(self._condition())
            self._skip()
        return tuple(found)

    def _condition(self) -> Condition:
        begun = self._at
        field = self._take(_FIELD)
        if field in ("NOT", "OR", "AND") or field is None:
            raise self._refused_at(begun, "needs a field here; OR, NOT and brackets are not supported")
        kind = self._fields.get(field)
        if kind is None:
            raise self._refused_at(begun, f"has no field {field[:40]!r}")
        self._skip()
        begun = self._at
        operator = self._take(_OPERATOR)
        if operator is None or operator not in kind.operators or self._text.startswith("=", self._at):
            raise self._refused_at(begun, f"needs an operator for {field} here: {' '.join(kind.operators)}")
        self._skip()
        begun = self._at
        value = self._value()
        return Condition(field, operator, self._typed(begun, field, kind, value))

    def _value(self) -> str:
        begun = self._at
        quoted = self._take(_QUOTED)
        if quoted is not None:
            return _ESCAPED.sub(r"\1", quoted[1:-1])
        if self._text.startswith(('"', "'"), begun):
            raise self._refused_at(
                begun, "has a text here that does not end, or a \\ before no quote and no \\"
            )
        bare = self._take(_BARE)
        if bare is None or bare in _KEYWORDS:
            raise self._refused_at(begun, "needs a value here; put quotes around anything but a plain word")
        return bare

    def _typed(self, begun: int, field: str, kind: FieldKind, value: str) -> str | datetime:
        if kind.is_time:
            moment = _moment(value)
            if moment is None:
                raise self._refused_at(begun, f"needs an RFC 3339 time for {field}: 2026-01-02T03:04:05.678Z")
            return moment
        if kind.choices and value not in kind.choices:
            raise self._refused_at(begun, f"needs one of {', '.join(kind.choices)} for {field}")
        return value

    def _join(self) -> None:
        """The AND between two conditions, with the space around it."""
        begun = self._at
        if self._text[begun - 1] not in _SPACE or self._take(_FIELD) != "AND":
            raise self._refused_at(begun, "needs AND here; OR, NOT and brackets are not supported")
        self._skip()

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[0]

    def _skip(self) -> None:
        while self._at < len(self._text) and self._text[self._at] in _SPACE:
            self._at += 1

    def _refused_at(self, position: int, wrong: str) -> InvalidRequest:
        return self._refused(f"at character {position + 1}: {wrong}")

    def _refused(self, wrong: str) -> InvalidRequest:
        fields = f"Fields: {', '.join(self._fields)}."
        return InvalidRequest(
            f"The filter cannot be read. Write field operator value, joined with AND. {fields}",
            violations=[FieldViolation("filter", f"{wrong}. {fields}")],
        )


def _moment(text: str) -> datetime | None:
    """An RFC 3339 time with at most 6 digits of a second, in UTC; None for anything else."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    zone = "+00:00" if found[3] in "Zz" else found[3]
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_SQL_OPERATORS: Mapping[str, str] = {"=": "=", "!=": "<>", "<": "<", ">": ">"}


def sql_conditions(
    conditions: Sequence[Condition], columns: Mapping[str, str], bind: Callable[[object], str]
) -> list[str]:
    """Conditions as PostgreSQL: one expression each, to be joined with AND; values are only ever bound.

    `columns` maps every field to a SQL expression of ours, of type text for texts and choices. `bind` takes a
    value and returns its placeholder (`$3`).
    """
    return [_sql(one, columns[one.field], bind) for one in conditions]


def _sql(condition: Condition, column: str, bind: Callable[[object], str]) -> str:
    if isinstance(condition.value, datetime):
        return f"{column} {_SQL_OPERATORS[condition.operator]} {bind(condition.value)}::timestamptz"
    value = f"{bind(condition.value)}::text"
    if condition.operator == ":":
        return f"position(lower({value}) IN lower({column})) > 0"
    return f'{column} COLLATE "C" {_SQL_OPERATORS[condition.operator]} {value}'
