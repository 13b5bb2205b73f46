"""JSON values one by one: for lists of several types, and text that the quick way does not read exactly.

The types are those the engine gives to the same JSON text, with one exception: in a list, true beside a
number stays true, and null beside lists stays null (the engine makes them 1 and []).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.native.errors import Place
from aidatalabs_services.data.native.json_paths import Leaf, Part, Paths, Rows
from aidatalabs_services.data.native.json_type import ANY, BOOL, FLOAT64, INT64, STRING, UINT64, nested_type
from aidatalabs_services.data.value_rules import arrow_type

_UNKNOWN = ColumnType("Nothing")
_SCALARS = {bool: BOOL, float: FLOAT64, str: STRING}


def kind_of(value: object, json: ColumnType, place: Place) -> ColumnType:
    """The type that a JSON column `json` keeps a value by that is not null."""
    return _known(_raw_kind(value, json, place))


def _raw_kind(value: object, json: ColumnType, place: Place) -> ColumnType:
    scalar = _SCALARS.get(type(value))
    if scalar is not None:
        return scalar
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise place.refuse(0, "holds a whole number beyond 64 bits", "PROPERTIES_INVALID")
        return INT64 if value < 2**63 else UINT64
    if isinstance(value, Mapping):
        return nested_type(json)
    if isinstance(value, (list, tuple)):
        return ColumnType("Array", (_element_kind(value, json, place),))
    raise place.mismatch(type(value).__name__, "JSON")


def _element_kind(values: Sequence[object], json: ColumnType, place: Place) -> ColumnType:
    found: ColumnType = _UNKNOWN
    for value in values:
        kind = ColumnType("Nullable", (_UNKNOWN,)) if value is None else _raw_kind(value, json, place)
        found = _united(found, kind if value is None or kind.name in ("Array", "JSON") else _optional(kind))
    return found


def _optional(kind: ColumnType) -> ColumnType:
    return ColumnType("Nullable", (kind,))


def _united(left: ColumnType, right: ColumnType) -> ColumnType:
    """One type for elements of both; Dynamic where there is none."""
    if left in (right, ANY):
        return left
    if right == ANY:
        return ANY
    if left == _UNKNOWN or right == _UNKNOWN:
        return right if left == _UNKNOWN else left
    if left.name == "Array" and right.name == "Array":
        inner = _united(left.inner[0], right.inner[0])
        apart = inner == ANY and ANY not in (left.inner[0], right.inner[0])
        return ANY if apart or (inner == ANY and left != right) else ColumnType("Array", (inner,))
    if "Nullable" not in (left.name, right.name) or "Array" in (left.name, right.name):
        return ANY
    bare = {each.inner[0] if each.name == "Nullable" else each for each in (left, right)} - {_UNKNOWN}
    if bare == {INT64, FLOAT64}:
        return _optional(FLOAT64)
    return _optional(bare.pop()) if len(bare) == 1 else ANY


def _known(kind: ColumnType) -> ColumnType:
    """The type with text where nothing is known: what the engine makes of [] and [null]."""
    if kind.name == "Array":
        return ColumnType("Array", (_known(kind.inner[0]),))
    if kind.name == "Nullable":
        return _optional(STRING) if kind.inner[0] == _UNKNOWN else kind
    return _optional(STRING) if kind == _UNKNOWN else kind


def parts(values: Sequence[object], rows: Rows | None, json: ColumnType, place: Place) -> list[Part]:
    """Values by type; None is absent."""
    groups: dict[ColumnType, tuple[list[int], list[object]]] = {}
    for index, value in enumerate(values):
        if value is not None:
            here = place.at(functools.partial(_row, index if rows is None else int(rows[index])))
            entries, group = groups.setdefault(kind_of(value, json, here), ([], []))
            entries.append(index)
            group.append(value)
    return [
        Part(
            kind,
            array_or_list(kind, group),
            np.array(entries, np.int64) if rows is None else rows[np.array(entries, np.int64)],
        )
        for kind, (entries, group) in groups.items()
    ]


def _row(row: int, _index: int) -> int:
    return row


def array_or_list(kind: ColumnType, values: list[object]) -> Any:
    """An Arrow array of the values where the type has one, else the values."""
    return pa.array(values, arrow_type(kind)) if has_arrow(kind) else values


def has_arrow(kind: ColumnType) -> bool:
    """Whether an Arrow type holds every value of it; not so for JSON and Dynamic."""
    return kind.name not in ("JSON", "Dynamic", "Nothing") and all(map(has_arrow, kind.inner))


def listed(values: Any) -> list[object]:
    """Values of a part as JSON values."""
    return list(values.to_pylist()) if isinstance(values, pa.Array) else list(values)


def collect_objects(objects: Sequence[Any], rows: Rows | None, paths: Paths) -> None:
    """Adds the leaves of JSON objects, entry i being of row i or of `rows[i]`; null values are absent."""
    found: dict[str, tuple[list[object], list[int]]] = {}
    for index, value in enumerate(objects):
        _walk(value, None, index, found, paths.typed)
    for path, (values, entries) in found.items():
        at = np.array(entries, np.int64)
        paths.add(path, Leaf(values, at if rows is None else rows[at]))


def _walk(
    value: Any,
    prefix: str | None,
    index: int,
    found: dict[str, tuple[list[object], list[int]]],
    typed: Mapping[str, object],
) -> None:
    items = value.items() if isinstance(value, Mapping) else value
    for key, item in items:
        path = key if prefix is None else f"{prefix}.{key}"
        if isinstance(item, Mapping) and path not in typed:
            _walk(item, path, index, found, typed)
        elif item is not None:
            values, entries = found.setdefault(path, ([], []))
            values.append(item)
            entries.append(index)
