"""From nested Arrow arrays to the paths of a JSON column: structs, maps and unions taken apart by arrays.

A path is dotted, `{"a": {"b": 1}}` and `{"a.b": 1}` have the same one. NULL and absent are the same. What the
engine would take and print wrongly is refused as row ingest refuses it: one path twice in a row, a value at
a path beside others below it, keys of more than 256 bytes, more than 16 levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.json_values import MAX_JSON_DEPTH, MAX_KEY_BYTES
from aidatalabs_services.data.native.columns import map_parts
from aidatalabs_services.data.native.errors import Place, too_large
from aidatalabs_services.data.native.scalars import is_text
from aidatalabs_services.data.native.wire import null_flags, plain_text, struct_parts

Rows = NDArray[np.int64]

MAX_PATHS = 4096
"""Different paths of one JSON column in one block: each costs a byte per row on the wire."""


@dataclass(frozen=True)
class Leaf:
    """Values at one path: entry i is of row i, or of `rows[i]`; NULL means absent.

    `values` is an Arrow array, or a list of JSON values where no Arrow type holds them all.
    """

    values: Any
    rows: Rows | None = None

    def own_rows(self) -> Rows:
        """The row of each entry, with a value or without."""
        return np.arange(len(self.values)) if self.rows is None else self.rows

    def present(self, count: int) -> NDArray[np.bool_]:
        """Which of `count` rows have a value here."""
        flags = np.zeros(count, np.bool_)
        flags[self.present_rows()] = True
        return flags

    def present_rows(self) -> Rows:
        """The rows with a value, ascending where the leaf is of a struct."""
        nulls = null_flags(self.values) if isinstance(self.values, pa.Array) else None
        rows = self.own_rows()
        return rows if nulls is None else rows[nulls == 0]


class Part(NamedTuple):
    """Values of one type at a path: entry i is of row `rows[i]`, or of row i where `rows` is None.

    `values` is an Arrow array, or a list of JSON values for a type that holds Dynamic or JSON. None is NULL,
    except where `absent` marks the rows without a value: then text still has NULL there, and all other values
    are those of the other rows.
    """

    kind: ColumnType
    values: Any
    rows: Rows | None = None
    absent: NDArray[np.uint8] | None = None

    def own_rows(self) -> Rows:
        """The rows with a value, in the order of the values."""
        if self.absent is not None:
            return np.flatnonzero(self.absent == 0)
        return np.arange(len(self.values)) if self.rows is None else self.rows


@dataclass
class Paths:
    """The leaves of one JSON column by path, in the order in which they were found."""

    typed: Mapping[str, ColumnType]
    leaves: dict[str, list[Leaf]] = field(default_factory=dict)

    def add(self, path: str, leaf: Leaf) -> None:
        """Notes values at a path. Raises BatchTooLarge where the block would have too many paths."""
        if len(leaf.values) == 0 and leaf.rows is not None:
            return
        if path not in self.leaves and len(self.leaves) >= MAX_PATHS + len(self.typed):
            raise too_large("different paths in a JSON column", MAX_PATHS)
        self.leaves.setdefault(path, []).append(leaf)


def collect(array: pa.Array, paths: Paths, place: Place) -> None:
    """Adds the leaves of a struct, map or union of them, one object per entry; NULL has no keys."""
    _walk(array, None, None, 1, paths, place)


def joined(prefix: str | None, key: str) -> str:
    """The path of a key below a prefix; None is the top."""
    return key if prefix is None else f"{prefix}.{key}"


def key_too_long(key: str) -> bool:
    """Whether a key has more bytes than row ingest takes."""
    return len(key) > MAX_KEY_BYTES // 4 and len(key.encode()) > MAX_KEY_BYTES


def _walk(
    array: pa.Array, path: str | None, rows: Rows | None, depth: int, paths: Paths, place: Place
) -> None:
    if pa.types.is_string_view(array.type):
        array = plain_text(array).view(pa.string())  # Arrow can neither take nor join views
    kind = array.type
    if _nests_views(kind):
        raise place.below(path or "").mismatch(kind, "JSON")
    if path is not None and path in paths.typed and not pa.types.is_union(kind):
        _check_depth(array, depth + levels(kind) - 1, rows, place)
        paths.add(path, Leaf(array, rows))
    elif pa.types.is_struct(kind) or pa.types.is_map(kind):
        _check_depth(array, depth, rows, place)
        walk = _walk_struct if pa.types.is_struct(kind) else _walk_map
        walk(array, path, rows, depth, paths, place)
    elif pa.types.is_union(kind):
        _walk_union(array, path, rows, depth, paths, place)
    elif path is None:
        raise place.mismatch(kind, "JSON")
    elif not pa.types.is_null(kind):
        _check_depth(array, depth + levels(kind) - 1, rows, place)
        paths.add(path, Leaf(array, rows))


def _nests_views(kind: pa.DataType) -> bool:
    """Whether lists, maps or unions hold views, which cannot be taken apart by rows."""
    if pa.types.is_struct(kind) or not pa.types.is_nested(kind):
        return False
    return _holds_views(kind)


def _holds_views(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return any(_holds_views(kind.field(child).type) for child in range(kind.num_fields))
    return bool(pa.types.is_string_view(kind))


def levels(kind: pa.DataType) -> int:
    """How deep lists and objects of an Arrow type are nested."""
    if pa.types.is_struct(kind) or pa.types.is_union(kind):
        inside = max((levels(field.type) for field in kind), default=0)
        return inside + (1 if pa.types.is_struct(kind) else 0)
    if pa.types.is_map(kind):
        return 1 + levels(kind.item_type)
    return 1 + levels(kind.value_type) if pa.types.is_nested(kind) else 0


def _check_depth(array: pa.Array, depth: int, rows: Rows | None, place: Place) -> None:
    if depth > MAX_JSON_DEPTH and array.null_count < len(array):
        message = f"is nested deeper than {MAX_JSON_DEPTH} levels"
        raise place.refuse(_first_row(array, rows), message, "PROPERTIES_INVALID")


def _first_row(array: pa.Array, rows: Rows | None) -> int:
    """The row of the first entry that is not NULL."""
    nulls = null_flags(array)
    entry = 0 if nulls is None else int((nulls == 0).argmax())
    return entry if rows is None else int(rows[entry])


def _check_key(key: str, array: pa.Array, rows: Rows | None, place: Place) -> None:
    if key_too_long(key) and array.null_count < len(array):
        message = f"has a key longer than {MAX_KEY_BYTES} bytes"
        raise place.refuse(_first_row(array, rows), message, "PROPERTIES_INVALID")


def _walk_struct(
    array: pa.Array, path: str | None, rows: Rows | None, depth: int, paths: Paths, place: Place
) -> None:
    present = np.flatnonzero(array.is_valid().to_numpy(zero_copy_only=False)) if array.null_count else None
    for each, part in zip(array.type, struct_parts(array), strict=True):
        own = rows
        if present is not None and pa.types.is_union(
            each.type
        ):  # has no NULLs to say where the struct is not
            part, own = part.take(pa.array(present)), present if rows is None else rows[present]
        _check_key(each.name, part, own, place)
        _walk(part, joined(path, each.name), own, depth + 1, paths, place)


def _walk_union(
    array: pa.Array, path: str | None, rows: Rows | None, depth: int, paths: Paths, place: Place
) -> None:
    """Each child with the rows of its own; a sparse union's children are as long as the union."""
    if len(array) == 0:  # for the types alone
        for child in range(array.type.num_fields):
            _walk(array.field(child).slice(0, 0), path, None, depth, paths, place)
        return
    # By their buffers: `type_codes` and `offsets` of a slice are those of the whole.
    buffers, begin, count = array.buffers(), array.offset, len(array)
    codes = np.frombuffer(buffers[1], np.int8, count, begin)
    dense = array.type.mode == "dense"
    offsets = np.frombuffer(buffers[2], np.int32, count, 4 * begin) if dense else None
    for child, code in enumerate(array.type.type_codes):
        entries = np.flatnonzero(codes == code)
        if entries.size:
            places = entries if offsets is None else offsets[entries]
            if not bool((places[1:] > places[:-1]).all()):  # else one long value could come without end
                raise place.refuse(None, "has a union whose offsets do not ascend", "PROPERTIES_INVALID")
            part = array.field(child).take(pa.array(places))
            _walk(part, path, entries if rows is None else rows[entries], depth, paths, place)


def _walk_map(
    array: pa.Array, path: str | None, rows: Rows | None, depth: int, paths: Paths, place: Place
) -> None:
    """The entries of all maps sorted by key: then each key is one slice."""
    nulls = null_flags(array)
    own = np.arange(len(array), dtype=np.int64) if rows is None else rows
    if nulls is not None:
        own = own[nulls == 0]
        array = array.take(pa.array(np.flatnonzero(nulls == 0)))
    ends, keys, values = map_parts(array)
    if len(keys) == 0:
        if len(own) == 0:  # for the type alone
            _walk(values, joined(path, ""), None, depth + 1, paths, place)
        return
    entry_rows = np.repeat(own, np.diff(ends, prepend=0))
    coded = keys if pa.types.is_dictionary(keys.type) else keys.dictionary_encode()
    if not is_text(coded.type.value_type):
        raise place.mismatch(array.type, "JSON")
    if coded.null_count or coded.dictionary.null_count:
        raise place.refuse(None, "has a key that is NULL", "PROPERTIES_INVALID")
    codes = coded.indices.to_numpy()
    if len(coded.dictionary) <= 2**16:
        codes = codes.astype(np.uint16, copy=False)  # sorted by radix then
    order = np.argsort(codes, kind="stable")
    sorted_codes, entry_rows = codes[order], entry_rows[order]
    values = values.take(pa.array(order))
    starts = np.flatnonzero(np.r_[True, sorted_codes[1:] != sorted_codes[:-1]])
    if len(starts) > MAX_PATHS:
        raise too_large("different paths in a JSON column", MAX_PATHS)
    for start, end in zip(starts, np.r_[starts[1:], len(order)], strict=True):
        key = coded.dictionary[int(sorted_codes[start])].as_py()
        part, part_rows = values.slice(start, end - start), entry_rows[start:end]
        # Of a key that one map has twice the last counts, as in JSON text.
        last = np.r_[part_rows[1:] != part_rows[:-1], True]
        if not last.all():
            part, part_rows = part.filter(pa.array(last)), part_rows[last]
        _check_key(key, part, part_rows, place)
        _walk(part, joined(path, key), part_rows, depth + 1, paths, place)


def check_paths(paths: Paths, count: int, place: Place) -> None:
    """Refuses a row that names one path twice, or has a value at a path and others below it."""
    for path, leaves in paths.leaves.items():
        if len(leaves) > 1:
            _refuse_overlap(
                [leaf.present(count) for leaf in leaves], place.below(path), "names one dotted path twice"
            )
    for path in paths.leaves:
        for end, sign in enumerate(path):
            if sign == "." and path[:end] in paths.leaves:
                flags = [_present(paths.leaves[each], count) for each in (path[:end], path)]
                _refuse_overlap(
                    flags, place.below(path[:end]), "has a value at a dotted path and others below it"
                )


def _present(leaves: list[Leaf], count: int) -> NDArray[np.bool_]:
    flags = leaves[0].present(count)
    for leaf in leaves[1:]:
        flags |= leaf.present(count)
    return flags


def _refuse_overlap(flags: list[NDArray[np.bool_]], place: Place, message: str) -> None:
    seen = flags[0].copy()
    for further in flags[1:]:
        both = seen & further
        if both.any():
            raise place.refuse(int(both.argmax()), message, "PROPERTIES_INVALID")
        seen |= further
