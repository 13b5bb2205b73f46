"""A JSON column of a block, already encoded: typed paths as columns, all others as Dynamic.

ClickHouse Native format, verified against engine 26.9, serialisation FLATTENED: prefix UInt64 3, number of
dynamic paths, the paths, the prefixes of the typed paths (all of the type's, by name), the prefix of each
Dynamic (UInt64 3, number of types, their names, their prefixes); then the data of the typed paths, then of
each Dynamic: per row the index of its type (as many as there are types: absent), then each type's values
of its own rows. Indexes are UInt8 up to 255 types, then UInt16, UInt32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.native import columns, loose
from aidatalabs_services.data.native.dynamic import parts_of
from aidatalabs_services.data.native.errors import Place, too_large
from aidatalabs_services.data.native.json_paths import Leaf, Part, Paths, Rows, check_paths, collect
from aidatalabs_services.data.native.json_type import ANY, STRING, type_text
from aidatalabs_services.data.native.scalars import decoded
from aidatalabs_services.data.native.wire import (
    Encoded,
    Piece,
    byte_size,
    length,
    text,
    text_column,
    within_block,
)
from aidatalabs_services.data.value_rules import arrow_type

_VERSION = (3).to_bytes(8, "little")
MAX_CELLS = 256 * 1024 * 1024
"""Rows times dynamic paths of one JSON column in one block: each cell is at least a byte on the wire."""


def encode_json(kind: ColumnType, array: pa.Array, place: Place) -> Encoded:
    """A JSON column of structs, maps, or unions of them; NULL is an object without keys."""
    paths = Paths(dict(zip(kind.names, kind.inner, strict=True)))
    collect(array, paths, place)
    return encode_paths(kind, paths, len(array), place)


def encode_paths(kind: ColumnType, paths: Paths, count: int, place: Place) -> Encoded:
    """A JSON column of `count` rows from its leaves.

    Raises BatchValueInvalid for a value that does not fit a typed path or breaks the rules of JSON objects.
    """
    check_paths(paths, count, place)
    typed: list[Encoded] = []
    size = 0
    for path, inner in zip(kind.names, kind.inner, strict=True):
        here = place.below(path)
        array = typed_array(inner, paths.leaves.get(path, []), count, here)
        typed.append(columns.encode(inner, array, here, encode_json, default_for_null=True))
        size += byte_size(typed[-1].data)
        within_block(size)
    dynamic: list[tuple[str, Encoded]] = []
    for path in sorted(paths.leaves.keys() - set(kind.names), key=str.encode):
        here = place.below(path)
        parts = [part for leaf in paths.leaves[path] for part in parts_of(leaf, kind, here)]
        if parts:
            if (len(dynamic) + 1) * count > MAX_CELLS:
                raise too_large("rows times paths of a JSON column", MAX_CELLS)
            dynamic.append((path, encode_dynamic(parts, count, kind, here)))
            size += byte_size(dynamic[-1][1].data)
            within_block(size)
    prefix = b"".join(
        [
            _VERSION,
            length(len(dynamic)),
            *(text(path) for path, _ in dynamic),
            *(part.prefix for part in typed),
            *(part.prefix for _, part in dynamic),
        ]
    )
    data = [piece for part in typed for piece in part.data]
    return Encoded(prefix, data + [piece for _, part in dynamic for piece in part.data])


def typed_array(kind: ColumnType, leaves: Sequence[Leaf], count: int, place: Place) -> pa.Array:
    """The values of a typed path, one entry per row, NULL where it is absent."""
    if not leaves:
        return pa.nulls(count, arrow_type(kind))
    if len(leaves) == 1 and leaves[0].rows is None:
        return leaves[0].values
    return _spread(kind, leaves, count, place)


def _spread(kind: ColumnType, leaves: Sequence[Leaf], count: int, place: Place) -> pa.Array:
    arrays, at = [], np.full(count, -1, np.int64)
    begun = 0
    for leaf in leaves:
        values = decoded(leaf.values, kind, place)
        rows = np.arange(count) if leaf.rows is None else leaf.rows
        present = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
        at[rows[present]] = present + begun
        arrays.append(values)
        begun += len(values)
    try:
        joined = arrays[0] if len(arrays) == 1 else pa.concat_arrays(_one_type(arrays))
    except pa.ArrowInvalid:
        raise place.mismatch(" and ".join(sorted({str(each.type) for each in arrays})), kind) from None
    return joined.take(pa.array(at, mask=at < 0))


def _one_type(arrays: list[pa.Array]) -> list[pa.Array]:
    """Arrays of the types of one number or one text, made equal where that loses nothing."""
    kinds = {each.type for each in arrays}
    if len(kinds) == 1:
        return arrays
    if all(pa.types.is_integer(each) for each in kinds):
        return [each.cast(pa.int64()) for each in arrays]
    if all(pa.types.is_integer(each) or pa.types.is_floating(each) for each in kinds):
        return [each.cast(pa.float64()) for each in arrays]
    return arrays


def encode_dynamic(parts: Sequence[Part], count: int, json: ColumnType, place: Place) -> Encoded:
    """One Dynamic column of `count` rows in FLATTENED form; types in the order of their names."""
    by_kind: dict[str, list[Part]] = {}
    for part in parts:
        by_kind.setdefault(type_text(part.kind), []).append(part)
    names = sorted(by_kind)
    merged = [_merged(by_kind[name], place) for name in names]
    width = np.uint8 if len(names) <= 255 else np.uint16 if len(names) <= 65_535 else np.uint32
    if len(merged) == 1 and merged[0].absent is not None:
        indexes = merged[0].absent  # 0 where the one type is, 1 where there is none
    elif len(merged) == 1 and merged[0].rows is None:
        indexes = np.zeros(count, width)
    else:
        indexes = np.full(count, len(names), width)
        for index, part in enumerate(merged):
            indexes[part.own_rows()] = index
    inner = [_encode_part(part, json, place) for part in merged]
    prefix = b"".join([_VERSION, length(len(names)), *map(text, names), *(each.prefix for each in inner)])
    data: list[Piece] = [indexes]
    return Encoded(prefix, data + [piece for each in inner for piece in each.data])


def _merged(parts: list[Part], place: Place) -> Part:
    """Parts of one type as one, its rows ascending."""
    if len(parts) == 1 and (parts[0].rows is None or _ascending(parts[0].rows)):
        return parts[0]
    rows = np.concatenate([part.own_rows() for part in parts])
    order = np.argsort(rows, kind="stable")
    kind = parts[0].kind
    arrays = [_dense(part, place) for part in parts]
    if all(isinstance(each, pa.Array) for each in arrays):
        arrays = _alike(arrays, kind)
    if not all(isinstance(each, pa.Array) for each in arrays):
        listed = [value for each in arrays for value in loose.listed(each)]
        return Part(kind, loose.array_or_list(kind, [listed[at] for at in order.tolist()]), rows[order])
    joined = pa.concat_arrays(arrays)
    return (
        Part(kind, joined, rows)
        if _ascending(rows)
        else Part(kind, joined.take(pa.array(order)), rows[order])
    )


def _alike(arrays: list[pa.Array], kind: ColumnType) -> list[Any]:
    """The arrays in one Arrow type; as JSON values where there is none for all of them."""
    if len({each.type for each in arrays}) == 1:
        return arrays
    if loose.has_arrow(kind):
        return [each.cast(arrow_type(kind)) for each in arrays]
    try:
        tables = [pa.table({"values": each}) for each in arrays]
        joined = pa.concat_tables(tables, promote_options="permissive")
        return list(joined.column(0).chunks)
    except pa.ArrowException:
        return [each.to_pylist() for each in arrays]


def _dense(part: Part, place: Place) -> Any:
    if not isinstance(part.values, pa.Array):
        return part.values
    values = part.values.drop_null() if part.values.null_count else part.values
    return decoded(values, part.kind, place)


def _ascending(rows: Rows) -> bool:
    return bool((rows[1:] > rows[:-1]).all())


def _encode_part(part: Part, json: ColumnType, place: Place) -> Encoded:
    if part.kind == STRING:
        return Encoded(b"", [text_column(part.values, drop_nulls=True)])
    here = place if part.rows is None and part.absent is None else place.at(lambda i: int(part.own_rows()[i]))
    if isinstance(part.values, pa.Array):
        return columns.encode(part.kind, part.values, here, encode_json)
    return encode_values(part.kind, part.values, json, here)


def encode_values(kind: ColumnType, values: Sequence[Any], json: ColumnType, place: Place) -> Encoded:
    """A column of JSON values of a type that holds Dynamic or JSON."""
    if loose.has_arrow(kind):
        return columns.encode(kind, pa.array(values, arrow_type(kind)), place, encode_json)
    if kind == ANY:
        return encode_dynamic(loose.parts(values, None, json, place), len(values), json, place)
    if kind.name == "Nullable":
        flags = np.fromiter((value is None for value in values), np.uint8, len(values))
        objects = [{} if value is None else value for value in values]
        inner = encode_values(kind.inner[0], objects, json, place)
        return Encoded(inner.prefix, [flags, *inner.data])
    if kind.name == "JSON":
        paths = Paths(dict(zip(kind.names, kind.inner, strict=True)))
        loose.collect_objects(values, None, paths)
        return encode_paths(kind, paths, len(values), place)
    ends = np.cumsum(np.fromiter((len(value) for value in values), np.int64, len(values)))
    items = [item for value in values for item in value]
    inner = encode_values(kind.inner[0], items, json, place.at(columns.owner_of(ends)))
    return Encoded(inner.prefix, [ends.astype("<u8"), *inner.data])
