"""How a model writes a plan: the planner's own records, less what follows from the catalogue.

Fields and their kinds are read off the types of `planner.plan`, so that whatever a plan can say a model can
write; what the words mean is told by the types' own descriptions. Written here is only what the types do not
know: what is left out, what is called otherwise, and which words a text may be.
"""

from __future__ import annotations

import functools
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any

from aidatalabs_services.agent.planner.plan import (
    OPERATORS,
    Cohort,
    Dimension,
    Filter,
    Having,
    Join,
    Measure,
    Order,
    Post,
    QueryPlan,
    Source,
    Step,
    Window,
)
from aidatalabs_services.agent.planner.sql_measures import AGGREGATES, CLOCK_SECONDS, FOLDS, PAIRS

GRAINS = ("hour", "day", "week", "month", "quarter", "year")
PARTS = ("hour", "weekday", "weekend", "day", "week", "month", "quarter", "year")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge", "between")
FUNCTIONS = ("count", *AGGREGATES, "share", "percent", *sorted(PAIRS))
SERIES = ("cumulate", "moving", "moving_sum", "lag", "change", "growth", "share")
KINDS = ("funnel", "members", "member_share", "member_list", "retention")
ROWS = ("session_list", "follow_list", "gap_list", "row_list")
"""Cohorts that are the rows of a plan around them."""
_SENTENCE = re.compile(r"(?<=\.) (?=[A-Z`])")
_FIELD = re.compile(r"`([a-z_]+)`")
_RECORDS = (QueryPlan, Source, Join, Filter, Window, Measure, Dimension, Having, Order, Post, Step, Cohort)
_ALL = frozenset(field.name for kind in _RECORDS for field in fields(kind)) | {"anchor"}
MOST_LIMIT = 10_000
MOST_TITLE = 60

WORDS: dict[tuple[type, str], tuple[str, ...]] = {
    (Measure, "function"): FUNCTIONS,
    (Measure, "grain"): (*GRAINS, *(unit for unit in CLOCK_SECONDS if unit not in GRAINS)),
    (Dimension, "grain"): GRAINS,
    (Dimension, "part"): PARTS,
    (Filter, "operator"): OPERATORS,
    (Filter, "part"): PARTS,
    (Having, "operator"): COMPARISONS,
    (Post, "function"): SERIES,
    (Step, "operator"): ("ge", "gt", "eq", "lt", "le"),
    (Step, "grain"): GRAINS,
    (Cohort, "kind"): (*KINDS, *ROWS),
    (Cohort, "grain"): GRAINS,
    (QueryPlan, "outer"): (*FOLDS, "count"),
}
"""The words of a text; one that is not named here takes a plain word or a number."""
_DERIVED: dict[type, frozenset[str]] = {
    QueryPlan: frozenset(("form", "timezone", "divisor")),
    Filter: frozenset(("numeric",)),
    Window: frozenset(("timezone", "words")),
    Measure: frozenset(("title", "unit")),
    Dimension: frozenset(("title", "label")),
    Post: frozenset(("title", "unit", "filled", "zero")),
}
"""Fields that follow from the others and from the catalogue, and what is left to SQL."""
_NAMED = {"source": "column", "alias": "name"}
_ANYWAY = frozenset(
    (
        *((Filter, "source"), (Measure, "source"), (Having, "values")),
        *((Window, "start"), (Window, "end"), (Order, "descending")),
    )
)
"""Fields that the types need and the JSON may leave out."""
_MOST = {"measures": 10, "dimensions": 8, "filters": 20, "windows": 4, "joins": 6, "having": 6, "order": 20}
_MOST_PARTS = 8

_TOLD: dict[tuple[type, str], str] = {
    (QueryPlan, "table"): "the table whose rows are counted, measured or listed",
    (QueryPlan, "joins"): "only where `keys` leave several ways to a table",
    (QueryPlan, "dimensions"): "groups; without measures: the columns to list",
    (QueryPlan, "windows"): "conditions on times; never put those into filters",
    (QueryPlan, "distinct"): "for a list: equal rows once",
    (QueryPlan, "outer"): "fold the groups into one number",
    (QueryPlan, "limit_by"): "names of dimensions: `limit` rows for each of their values",
    (QueryPlan, "tied"): "with limit 1: also tell how many share the first place",
    (Measure, "source"): "what it is computed of; left out for count, share of rows, percent",
    (Window, "start"): "first moment, 2013-07-01 or 2013-07-01T14:00:00; empty is open",
    (Window, "end"): "first moment after it; empty is open",
    (Order, "alias"): "name of a measure, dimension or post",
    (Post, "measure"): "name of a measure",
    (Post, "per"): "names of dimensions; left out: all but the step of time",
    (Cohort, "within_seconds"): "0 is no limit; for sessions the longest gap",
    (
        QueryPlan,
        "inner",
    ): "a plan of `table`, `cohort` (one whose kind ends in _list, not member_list), `filters`"
    " and `windows`; the plan around it names the columns of its rows plainly: `start_`",
}
COLUMN: dict[str, object] = {"type": "string", "description": "`table.column`, exactly as in the catalogue"}
_NAME: dict[str, object] = {
    "type": "string",
    "description": "a short name in snake case for this column of the answer",
}
_VALUES: dict[str, object] = {
    "type": "array",
    "items": {"type": ["string", "number", "boolean"]},
    "maxItems": 200,
}


@dataclass(frozen=True)
class Slot:
    """A field of a record as a model writes it: its `name` in JSON, the record's `field`, and its kind."""

    name: str
    field: str
    hint: Any
    needed: bool

    @property
    def record(self) -> type | None:
        """The record that it holds one or several of; None for texts, numbers and columns."""
        inner: type = _inside(self.hint)
        return inner if is_dataclass(inner) and inner is not Source else None

    @property
    def several(self) -> bool:
        """Whether it is a list."""
        return typing.get_origin(self.hint) is tuple


@functools.cache
def slots(kind: type) -> tuple[Slot, ...]:
    """What a model writes of a record, in the record's own order."""
    hints = typing.get_type_hints(kind)
    left_out = _DERIVED.get(kind, frozenset())
    found = []
    for field in fields(kind):
        if field.name in left_out:
            continue
        name = "by" if (kind, field.name) == (Order, "alias") else _NAMED.get(field.name, field.name)
        needed = field.default is MISSING and (kind, field.name) not in _ANYWAY
        found.append(Slot(name, field.name, hints[field.name], needed))
    return tuple(found)


def most(slot: Slot) -> int:
    """How many a list may hold."""
    return _MOST.get(slot.name, _MOST_PARTS)


@functools.cache
def plan_schema() -> Mapping[str, object]:
    """The JSON schema of a plan.

    Each record is written out once, at the top before inside others, and named elsewhere: so it is finite,
    and needs no references, which not every provider follows.
    """
    homes: dict[type | None, str] = {
        slot.record: slot.name for slot in slots(QueryPlan) if slot.record is not None
    }
    return _object(QueryPlan, homes, {QueryPlan})


def _object(kind: type, homes: Mapping[type | None, str], told: set[type]) -> dict[str, object]:
    properties = {slot.name: _schema(kind, slot, homes, told) for slot in slots(kind)}
    made: dict[str, object] = {
        "type": "object",
        "properties": properties,
        "required": [slot.name for slot in slots(kind) if slot.needed],
        "additionalProperties": False,
    }
    return {**made, "description": _said(kind)}


def _said(kind: type) -> str:
    """What a type says of itself, without the sentences on what a model does not write."""
    text = " ".join((kind.__doc__ or "").split())
    written = {name for slot in slots(kind) for name in (slot.field, slot.name)}
    sentences = _SENTENCE.split(text)
    told = [one for one in sentences if all(name in written for name in _FIELD.findall(one) if name in _ALL)]
    return _FIELD.sub(lambda found: f"`{_NAMED.get(found[1], found[1])}`", " ".join(told))


def _schema(kind: type, slot: Slot, homes: Mapping[type | None, str], told: set[type]) -> dict[str, object]:
    made = _plain(kind, slot)
    if kind is QueryPlan and slot.record is Join:
        made = _list(_JOIN, most(slot))
    elif slot.record is not None:
        inside = _nested(kind, slot.record, homes, told)
        made = _list(inside, most(slot)) if slot.several else inside
    words = _TOLD.get((kind, slot.field))
    return {**made, "description": words} if words else made


def _nested(kind: type, record: type, homes: Mapping[type | None, str], told: set[type]) -> dict[str, object]:
    if record is QueryPlan:
        return {"type": "object", "description": "a plan of its own, written as the whole one"}
    at_home = kind is QueryPlan or record not in homes
    if at_home and record not in told:
        told.add(record)
        return _object(record, homes, told)
    return {"type": "object", "description": f"one as in `{homes.get(record, 'the list that it is in')}`"}


def _plain(kind: type, slot: Slot) -> dict[str, object]:
    inner = _inside(slot.hint)
    if inner is Source:
        return COLUMN
    if slot.field == "values":
        return _VALUES
    if slot.several and inner is int:
        return _list({"type": "integer", "minimum": 1}, most(slot))
    if slot.name == "name" and slot.field == "alias":
        return _NAME
    if inner is bool:
        return {"type": "boolean"}
    if inner is int:
        return {"type": "integer", "minimum": 0, **({"maximum": MOST_LIMIT} if slot.name == "limit" else {})}
    words = WORDS.get((kind, slot.field))
    one: dict[str, object] = {"type": "string", "enum": list(words)} if words else {"type": "string"}
    return _list(one, most(slot)) if slot.several else one


def _list(items: Mapping[str, object], length: int) -> dict[str, object]:
    return {"type": "array", "items": items, "maxItems": length}


def _inside(hint: Any) -> Any:
    """What a list holds, or what there is where something may be left out."""
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[0]
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return next(one for one in typing.get_args(hint) if one is not type(None))
    return hint


_JOIN: dict[str, object] = {
    "type": "object",
    "properties": {
        "from": {**COLUMN, "description": "the column that refers, as in `keys`"},
        "to": {**COLUMN, "description": "the key that it refers to"},
        "unmatched": {"type": "boolean", "description": "keep rows without a match; true unless said"},
    },
    "required": ["from", "to"],
    "additionalProperties": False,
}
