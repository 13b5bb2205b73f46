"""The form that definitions have, whatever the tables: lengths, numbers, characters, names told apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from .defined import spoken
from .definition_fit import Problem
from .definitions import (
    AGGREGATES,
    GRAINS,
    OPERATORS,
    ROLES,
    ColumnDefinition,
    Definitions,
    DimensionDefinition,
    MetricDefinition,
)
from .lexicon import CLOSED_WORDS, FILLERS
from .lexicon import OPERATORS as OPERATOR_PHRASES
from .windows import TimeReader
from .words import tokenize

MOST = {
    "tables": 2_000,
    "columns": 5_000,
    "keys": 1_000,
    "metrics": 500,
    "dimensions": 500,
    "synonyms": 20,
    "values": 5_000,
    "filters": 20,
}
"""The most that may be said of each kind; columns and values count over all tables."""

_NAME_CHARACTERS, _NAME_WORDS = 60, 6
_TEXT_CHARACTERS, _UNIT_CHARACTERS, _VALUE_CHARACTERS, _IDENTIFIER_CHARACTERS = 500, 30, 200, 256
_NAME = re.compile(r"\w[\w '\u2019-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_ANY_DAY = datetime(2026, 3, 4)


def problems(definitions: Definitions) -> tuple[Problem, ...]:
    """Everything that stands against the form of definitions, the first 50."""
    found: list[Problem] = []
    for problem in _problems(definitions):
        found.append(problem)
        if len(found) == 50:
            break
    return tuple(found)


def _problems(definitions: Definitions) -> Iterator[Problem]:
    many = list(_too_many(definitions))
    yield from many
    if many:
        return
    yield from _tables(definitions)
    for number, key in enumerate(definitions.keys):
        field = f"keys[{number}]"
        yield from _identifiers(field, table=key.table, column=key.column)
        yield from _identifiers(field, to_table=key.to_table, to_column=key.to_column)
        if (key.table, key.column) == (key.to_table, key.to_column):
            yield Problem(f"{field}.to_column", "is the column itself; name the column that it looks up")
    said = [(k.table, k.column, k.to_table, k.to_column) for k in definitions.keys]
    yield from _twice("keys", said)
    for number, metric in enumerate(definitions.metrics):
        yield from _metric(f"metrics[{number}]", metric)
    for number, dimension in enumerate(definitions.dimensions):
        yield from _dimension(f"dimensions[{number}]", dimension)
    yield from _shared_names(definitions)


def _too_many(definitions: Definitions) -> Iterator[Problem]:
    counts = {
        "tables": len(definitions.tables),
        "keys": len(definitions.keys),
        "metrics": len(definitions.metrics),
        "dimensions": len(definitions.dimensions),
    }
    for field, count in counts.items():
        if count > MOST[field]:
            yield Problem(field, f"has {count} entries; at most {MOST[field]}")
    columns = [column for _, column in definitions.columns()]
    if len(columns) > MOST["columns"]:
        yield Problem("tables", f"define {len(columns)} columns; at most {MOST['columns']}")
    values = sum(len(column.values) for column in columns)
    if values > MOST["values"]:
        yield Problem("tables", f"have other words for {values} values; at most {MOST['values']}")


def _tables(definitions: Definitions) -> Iterator[Problem]:
    for number, table in enumerate(definitions.tables):
        field = f"tables[{number}]"
        yield from _identifiers(field, table=table.table)
        defaults = {"time": table.default_time, "measure": table.default_measure}
        for name, text in defaults.items():
            yield from _text(f"{field}.default_{name}_column", text, _IDENTIFIER_CHARACTERS)
        yield from _text(f"{field}.description", table.description, _TEXT_CHARACTERS)
        yield from _names(f"{field}.synonyms", table.synonyms)
        for place, column in enumerate(table.columns):
            yield from _column(f"{field}.columns[{place}]", column)
        yield from _twice(f"{field}.columns", [column.column for column in table.columns])
    yield from _twice("tables", [table.table for table in definitions.tables])


def _column(field: str, column: ColumnDefinition) -> Iterator[Problem]:
    yield from _identifiers(field, column=column.column)
    yield from _text(f"{field}.description", column.description, _TEXT_CHARACTERS)
    yield from _text(f"{field}.unit", column.unit, _UNIT_CHARACTERS)
    yield from _names(f"{field}.synonyms", column.synonyms)
    if column.role and column.role not in ROLES:
        yield Problem(f"{field}.role", f"is none of {', '.join(ROLES)}")
    for number, value in enumerate(column.values):
        yield from _text(f"{field}.values[{number}].value", value.value, _VALUE_CHARACTERS)
        if not value.value:
            yield Problem(f"{field}.values[{number}].value", "is empty; name a stored value")
        yield from _names(f"{field}.values[{number}].synonyms", value.synonyms)
    yield from _twice(f"{field}.values", [value.value for value in column.values])


def _metric(field: str, metric: MetricDefinition) -> Iterator[Problem]:
    yield from _name(f"{field}.name", metric.name)
    yield from _names(f"{field}.synonyms", metric.synonyms)
    yield from _text(f"{field}.description", metric.description, _TEXT_CHARACTERS)
    yield from _text(f"{field}.unit", metric.unit, _UNIT_CHARACTERS)
    if metric.is_ratio:
        yield from _ratio(field, metric)
        return
    yield from _identifiers(field, table=metric.table)
    if metric.percent:
        yield Problem(f"{field}.percent", "is for a ratio of two metrics; leave it out")
    if metric.aggregate not in AGGREGATES:
        yield Problem(f"{field}.aggregate", f"is none of {', '.join(AGGREGATES)}")
    elif metric.aggregate == "count" and metric.column:
        yield Problem(f"{field}.column", "is left out of a count of rows; count_distinct counts its values")
    elif metric.aggregate != "count":
        yield from _identifiers(field, column=metric.column)
    if len(metric.filters) > MOST["filters"]:
        yield Problem(f"{field}.filters", f"has {len(metric.filters)} entries; at most {MOST['filters']}")
        return
    for number, one in enumerate(metric.filters):
        yield from _identifiers(f"{field}.filters[{number}]", column=one.column)
        yield from _values(f"{field}.filters[{number}]", one.operator, one.values)


def _ratio(field: str, metric: MetricDefinition) -> Iterator[Problem]:
    for name, text in (("numerator", metric.numerator), ("denominator", metric.denominator)):
        if not text:
            yield Problem(f"{field}.{name}", "is missing: a ratio has a numerator and a denominator")
    if metric.table or metric.aggregate or metric.column or metric.filters:
        yield Problem(
            field, "is either a ratio or an aggregate; leave out table, aggregate, column and filters"
        )


def _values(field: str, operator: str, values: Sequence[str]) -> Iterator[Problem]:
    if operator not in OPERATORS:
        yield Problem(f"{field}.operator", f"is none of {', '.join(OPERATORS)}")
        return
    least, most = OPERATORS[operator]
    if not least <= len(values) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        yield Problem(f"{field}.values", f"{operator} takes {wanted} of them, not {len(values)}")
        return
    for number, value in enumerate(values):
        yield from _text(f"{field}.values[{number}]", value, _VALUE_CHARACTERS)


def _dimension(field: str, dimension: DimensionDefinition) -> Iterator[Problem]:
    yield from _name(f"{field}.name", dimension.name)
    yield from _names(f"{field}.synonyms", dimension.synonyms)
    yield from _text(f"{field}.description", dimension.description, _TEXT_CHARACTERS)
    yield from _identifiers(field, table=dimension.table, column=dimension.column)
    if dimension.grain and dimension.grain not in GRAINS:
        yield Problem(f"{field}.grain", f"is none of {', '.join(GRAINS)}")


def _identifiers(field: str, **names: str) -> Iterator[Problem]:
    for name, text in names.items():
        if not text:
            yield Problem(f"{field}.{name}", "is missing")
        else:
            yield from _text(f"{field}.{name}", text, _IDENTIFIER_CHARACTERS)


def _text(field: str, text: str, most: int) -> Iterator[Problem]:
    if len(text) > most:
        yield Problem(field, f"has {len(text)} characters; at most {most}")
    if _CONTROL.search(text):
        yield Problem(field, "has control characters; write it in one line of plain text")


def _names(field: str, names: Sequence[str]) -> Iterator[Problem]:
    if len(names) > MOST["synonyms"]:
        yield Problem(field, f"has {len(names)} entries; at most {MOST['synonyms']}")
        return
    for number, name in enumerate(names):
        yield from _name(f"{field}[{number}]", name)
    yield from _twice(field, [spoken(name) for name in names])


def _name(field: str, name: str) -> Iterator[Problem]:
    """A name is what a question can say: a few words that mean nothing else already."""
    if not name or len(name) > _NAME_CHARACTERS or len(name.split()) > _NAME_WORDS:
        yield Problem(field, f"has 1 to {_NAME_CHARACTERS} characters and at most {_NAME_WORDS} words")
        return
    if not _NAME.fullmatch(name) or name != " ".join(name.split()):
        yield Problem(
            field, "is words of letters and digits, with single spaces, hyphens or apostrophes between"
        )
        return
    words = spoken(name)
    tokens = tokenize(name)
    plain = tuple(token.word for token in tokens)
    if not words or all(token.kind == "number" for token in tokens):
        yield Problem(field, "has no word in it that a question could say")
    elif plain in OPERATOR_PHRASES or all(word in CLOSED_WORDS or word in FILLERS for word in plain):
        yield Problem(field, f"{name!r} means something in every question; choose another name")
    elif any(m.start == 0 and m.end == len(tokens) for m in TimeReader(tokens, _ANY_DAY).read()):
        yield Problem(field, f"{name!r} says a time; choose another name")


def _twice(field: str, said: Sequence[object]) -> Iterator[Problem]:
    seen: set[object] = set()
    for number, one in enumerate(said):
        if one in seen:
            yield Problem(f"{field}[{number}]", "is there twice; say it once")
        seen.add(one)


def _shared_names(definitions: Definitions) -> Iterator[Problem]:
    """Names of metrics and dimensions are each other's rivals, and those of synonyms."""
    seen: dict[tuple[str, ...], tuple[str, str]] = {}
    for table in definitions.tables:
        for name in table.synonyms:
            seen.setdefault(spoken(name), ("", f"a synonym of {table.table}"))
        for column in table.columns:
            for name in column.synonyms:
                seen.setdefault(spoken(name), ("", f"a synonym of {table.table}.{column.column}"))
    named: list[tuple[str, MetricDefinition | DimensionDefinition, str]] = [
        *((f"metrics[{n}]", metric, "metric") for n, metric in enumerate(definitions.metrics)),
        *((f"dimensions[{n}]", one, "dimension") for n, one in enumerate(definitions.dimensions)),
    ]
    for field, one, kind in named:
        for place, name in enumerate(one.names):
            path = f"{field}.synonyms[{place - 1}]" if place else f"{field}.name"
            owner, what = seen.setdefault(spoken(name), (field, f"the {kind} {one.name}"))
            if owner != field:
                yield Problem(path, f"{name!r} is {what} already; choose another name")
