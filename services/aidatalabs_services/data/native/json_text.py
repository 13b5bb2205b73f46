"""JSON text as the paths of a JSON column: read in bulk where that is exact, one by one where not.

The quick way is Arrow's JSON reader over some thousand rows at once. It is exact for most text, and what it
would blur is noticed and left to the slow way (json.loads with the rules of row ingest): several types at one
path, keys named twice, floats inside lists of objects, text that is no object. Whether a whole number among
floats was written 2 or 2.0 is looked up. Text that looks like a time stays text. Numbers of ±2^53 and beyond
are refused, as row ingest does.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from numpy.typing import NDArray

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.ingest_batches import ColumnInput
from aidatalabs_services.data.json_values import (
    EXACT_LIMIT,
    MAX_JSON_BYTES,
    MAX_JSON_DEPTH,
    JsonRefused,
    json_text,
)
from aidatalabs_services.data.native import loose
from aidatalabs_services.data.native.columns import list_parts
from aidatalabs_services.data.native.errors import Place
from aidatalabs_services.data.native.json_column import encode_paths
from aidatalabs_services.data.native.json_paths import (
    Leaf,
    Paths,
    Rows,
    check_paths,
    collect,
    key_too_long,
    levels,
)
from aidatalabs_services.data.native.scalars import is_text, numbers_of
from aidatalabs_services.data.native.wire import Encoded, bytes_of, null_flags, offsets_of, plain_text
from aidatalabs_services.data.value_columns import convert
from aidatalabs_services.data.value_rules import is_integer

_CHUNK_ROWS = 4096
_CHUNK_BYTES = 1024 * 1024
_MOST_OPENING = 256
# What may be a whole double and yet was written as a float: zeros alone after the point, an exponent, or more
# digits than a double keeps (0.99999999999999999999). No whole number below 2^53 has 17 of them.
_WHOLE_FLOAT = r"[0-9]\.0+\s*[,}\]]|[0-9][eE][-+0-9]|[0-9.]{17}"
_BOOL = np.bool_


def encode_text(kind: ColumnType, array: pa.Array, place: Place) -> Encoded:
    """A JSON column of text, one object per entry; NULL is an object without keys."""
    paths = Paths(dict(zip(kind.names, kind.inner, strict=True)))
    collect_text(array, paths, place)
    for path, inner in paths.typed.items():
        if path in paths.leaves:
            here = place.below(path)
            paths.leaves[path] = [_by_type(inner, leaf, here) for leaf in paths.leaves[path]]
    return encode_paths(kind, paths, len(array), place)


def collect_text(array: pa.Array, paths: Paths, place: Place) -> None:
    """Adds the leaves of the objects in a column of text."""
    values = plain_text(array)
    if values.null_count:
        values = values.fill_null(b"{}")
    offsets = offsets_of(values).astype(np.int64)
    found: dict[str, list[Leaf]] = {}
    begin = 0
    while begin < len(values):
        # A reader's memory grows with rows times fields, and fields with bytes: both are bounded.
        most = int(np.searchsorted(offsets, offsets[begin] + _CHUNK_BYTES, side="right")) - 1
        end = max(begin + 1, min(begin + _CHUNK_ROWS, most, len(values)))
        part = Paths(paths.typed)
        _read(values.slice(begin, end - begin), begin, part, place)
        check_paths(part, len(values), place)
        for path, leaves in part.leaves.items():
            found.setdefault(path, []).extend(leaves)
        begin = end
    doubtful = _written_as_floats(
        {path: leaves for path, leaves in found.items() if path not in paths.typed}, values
    )
    for path, leaves in found.items():
        for leaf in _gathered(leaves, len(values)):
            for piece in [leaf] if path in paths.typed else _whole_and_broken(leaf, doubtful.get(path)):
                paths.add(path, piece)


def _gathered(leaves: list[Leaf], count: int) -> list[Leaf]:
    """The leaves of all chunks, those of one Arrow type as one."""
    by_type: dict[Any, list[Leaf]] = {}
    for leaf in leaves:
        by_type.setdefault(leaf.values.type if isinstance(leaf.values, pa.Array) else list, []).append(leaf)
    gathered = []
    for kind, group in by_type.items():
        rows = np.concatenate([leaf.own_rows() for leaf in group])
        own = None if len(rows) == count and bool((rows[1:] > rows[:-1]).all()) else rows
        if kind is list:
            gathered.append(Leaf([value for leaf in group for value in leaf.values], rows))
        else:
            gathered.append(Leaf(pa.concat_arrays([leaf.values for leaf in group]), own))
    return gathered


def _read(values: pa.Array, begin: int, paths: Paths, place: Place) -> None:
    """Adds the leaves of some rows, the first of which is row `begin`."""
    everything = np.arange(len(values))
    strange = _strange(values)
    quick = values
    if strange.any():
        quick = pc.if_else(pa.array(strange), pa.scalar(b"{}", pa.binary()), values)
    read = None if strange.all() else _table(quick)
    if read is None:
        _read_slowly(values, everything, begin, paths, place)
        return
    slow = strange | _unclear(read)
    kept = np.flatnonzero(~slow)
    if len(kept) < len(values):
        read = read.take(pa.array(kept))
        _read_slowly(values, np.flatnonzero(slow), begin, paths, place)
    _collect_rows(read, kept + begin, paths, place)


def _collect_rows(read: pa.Array, rows: Rows, found: Paths, place: Place) -> None:
    inner = Paths(found.typed)
    here = place.at(lambda index: int(rows[index]))
    collect(read, inner, here)
    for path, leaves in inner.leaves.items():
        for leaf in leaves:
            _check_numbers(leaf.values, here.below(path))
            found.add(path, _compact(leaf.values, rows))


def _compact(values: pa.Array, rows: Rows) -> Leaf:
    """The values of a path without the rows that do not have it, where those are by far the most."""
    if values.null_count * 8 < len(values) * 7:
        return Leaf(values, rows)
    present = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
    return Leaf(values.take(pa.array(present)), rows[present])


def _strange(values: pa.Array) -> NDArray[np.bool_]:
    """Rows that do not begin with { and end with }, are too long, or may be nested too deep.

    For all others a line break between rows can stand between two objects only: nothing else may come
    between } and {. So as many objects as rows means one object per row.
    """
    offsets = offsets_of(values).astype(np.int64)
    sizes = np.diff(offsets)
    flags: NDArray[np.bool_] = (sizes < 2) | (sizes > MAX_JSON_BYTES)
    if flags.all():
        return flags
    data = np.frombuffer(values.buffers()[2], np.uint8)
    first = data[np.where(flags, 0, offsets[:-1])]
    last = data[np.where(flags, 0, offsets[1:] - 1)]
    flags = flags | (first != ord("{")) | (last != ord("}"))
    # { and [ differ in one bit. Arrow's reader takes levels by recursion: deep text would end the process.
    opening = (data[offsets[0] : offsets[-1]] | 32) == ord("{")
    if int(np.count_nonzero(opening)) > _MOST_OPENING:
        rows = np.searchsorted(offsets - offsets[0], np.flatnonzero(opening), side="right") - 1
        flags = flags | (np.bincount(rows, minlength=len(flags)) > _MOST_OPENING)
    return flags


def _table(values: pa.Array) -> pa.Array | None:
    """The rows as one struct array, times as text; None where the reader does not take them all."""
    lines = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values), b"\n")
    text = pa.py_buffer(bytes_of(lines))
    schema = None
    for _ in range(2):
        try:
            read = pyarrow.json.read_json(
                pa.BufferReader(text),
                read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(text) + 1),
                parse_options=pyarrow.json.ParseOptions(explicit_schema=schema),
            )
            read.validate(full=True)
        except (pa.ArrowException, UnicodeDecodeError, ValueError):
            return None
        whole = pa.struct(read.schema)
        if read.num_rows != len(values) or levels(whole) > MAX_JSON_DEPTH or _long_keys(whole):
            return None
        plain = pa.schema([field.with_type(_without_times(field.type)) for field in read.schema])
        if plain == read.schema:
            chunks = read.to_struct_array()
            return chunks.combine_chunks() if isinstance(chunks, pa.ChunkedArray) else chunks
        schema = plain
    return None


def _long_keys(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(key_too_long(field.name) or _long_keys(field.type) for field in kind)
    return bool(pa.types.is_list(kind)) and _long_keys(kind.value_type)


def _without_times(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_without_times(field.type)) for field in kind])
    return pa.list_(_without_times(kind.value_type)) if pa.types.is_list(kind) else kind


def _check_numbers(array: pa.Array, place: Place) -> None:
    """Refuses numbers of ±2^53 and beyond, wherever they are."""
    kind = array.type
    if pa.types.is_list(kind):
        dense = array.drop_null() if array.null_count else array
        ends, elements = list_parts(dense)
        present = np.arange(len(array)) if dense is array else np.flatnonzero(array.is_valid())
        owner = place.at(lambda index: int(present[np.searchsorted(ends, index, side="right")]))
        _check_numbers(elements, owner)
    elif pa.types.is_struct(kind):
        for part in array.flatten():
            _check_numbers(part, place)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        bounds = pc.min_max(array).as_py()
        if bounds["min"] is None:
            return
        if not (bounds["min"] >= -EXACT_LIMIT and bounds["max"] <= EXACT_LIMIT) or (
            pa.types.is_floating(kind) and not pc.all(pc.is_finite(array), min_count=0).as_py()
        ):
            _refuse_number(array, place)


def _refuse_number(array: pa.Array, place: Place) -> None:
    numbers = np.where(array.is_valid(), numbers_of(array), 0)
    wrong = ~(np.abs(numbers.astype(np.float64)) <= EXACT_LIMIT)
    if pa.types.is_integer(array.type):
        wrong = (numbers > EXACT_LIMIT) | (numbers < -EXACT_LIMIT)
    if wrong.any():
        first = int(wrong.argmax())
        message = "holds a number of ±2^53 or beyond; send it as a string"
        if not np.isfinite(float(numbers[first])):
            message = "holds a number that is not finite"
        raise place.refuse(first, message, "PROPERTIES_INVALID")


def _written_as_floats(found: dict[str, list[Leaf]], values: pa.Array) -> dict[str, Rows]:
    """The rows, by path, in which a whole number among floats was written as a float: 2.0, 1e3."""
    whole = np.zeros(len(values), np.bool_)
    for leaves in found.values():
        for leaf in leaves:
            if isinstance(leaf.values, pa.Array) and pa.types.is_float64(leaf.values.type):
                whole[leaf.own_rows()[_whole_flags(leaf.values)]] = True
    rows = np.flatnonzero(whole)
    if not rows.size:
        return {}
    texts = values.take(pa.array(rows))
    rows = rows[pc.match_substring_regex(texts, _WHOLE_FLOAT).to_numpy(zero_copy_only=False)]
    read = Paths({})
    loose.collect_objects([json.loads(values[row].as_py().decode()) for row in rows.tolist()], rows, read)
    written = {}
    for path, leaves in read.leaves.items():
        floats = np.fromiter((type(value) is float for value in leaves[0].values), _BOOL)
        written[path] = leaves[0].own_rows()[floats]
    return written


def _whole_flags(array: pa.Array) -> NDArray[np.bool_]:
    numbers = numbers_of(array)
    flags: NDArray[np.bool_] = np.equal(numbers, np.floor(numbers))
    nulls = null_flags(array)
    return flags if nulls is None else flags & (nulls == 0)


def _unclear(array: pa.Array) -> NDArray[np.bool_]:
    """Rows with lists of objects that have floats: there a whole one may have been written either way."""
    flags = np.zeros(len(array), np.bool_)
    for field, part in zip(array.type, array.flatten(), strict=True):
        if pa.types.is_struct(field.type):
            flags |= _unclear(part)
        elif pa.types.is_list(field.type) and _objects_with_floats(field.type):
            flags |= part.is_valid().to_numpy(zero_copy_only=False)
    return flags


def _objects_with_floats(kind: pa.DataType, *, inside: bool = False) -> bool:
    if pa.types.is_list(kind):
        return _objects_with_floats(kind.value_type, inside=inside)
    if pa.types.is_struct(kind):
        return any(_objects_with_floats(field.type, inside=True) for field in kind)
    return inside and bool(pa.types.is_float64(kind))


def _whole_and_broken(leaf: Leaf, written: Rows | None) -> list[Leaf]:
    """Whole numbers among floats as Int64, except in the rows that wrote them as floats."""
    if not isinstance(leaf.values, pa.Array) or not pa.types.is_float64(leaf.values.type):
        return [leaf]
    whole, rows = _whole_flags(leaf.values), leaf.own_rows()
    if written is not None:
        whole &= ~np.isin(rows, written)
    if not whole.any():
        return [leaf]
    broken = leaf.values.is_valid().to_numpy(zero_copy_only=False) & ~whole
    numbers = numbers_of(leaf.values)
    parts = [Leaf(pa.array(numbers[whole].astype(np.int64)), rows[whole])]
    return [*parts, Leaf(pa.array(numbers[broken]), rows[broken])] if broken.any() else parts


def _read_slowly(values: pa.Array, entries: Rows, begin: int, paths: Paths, place: Place) -> None:
    """The entries one by one, under the rules of row ingest."""
    objects: list[dict[str, Any]] = []
    for entry in entries.tolist():
        try:
            value = json.loads(values[entry].as_py().decode())
            if not isinstance(value, dict):
                raise JsonRefused("must be a JSON object")
            json_text(value)
        except JsonRefused as error:
            raise place.refuse(begin + entry, str(error), "PROPERTIES_INVALID") from None
        except RecursionError:
            message = f"is nested deeper than {MAX_JSON_DEPTH} levels"
            raise place.refuse(begin + entry, message, "PROPERTIES_INVALID") from None
        except ValueError:
            raise place.refuse(begin + entry, "is not JSON", "PROPERTIES_INVALID") from None
        objects.append(value)
    loose.collect_objects(objects, entries + begin, paths)


def _by_type(kind: ColumnType, leaf: Leaf, place: Place) -> Leaf:
    """The values of a typed path as its type takes them, by the rules that row ingest has for JSON values."""
    values = leaf.values
    if isinstance(values, pa.Array):
        given, base = values.type, kind.base
        if (
            (base.name == "String" and is_text(given))
            or (is_integer(base) and pa.types.is_integer(given))
            or (base.name == "Float64" and (pa.types.is_floating(given) or pa.types.is_integer(given)))
            or (base.name == "Bool" and pa.types.is_boolean(given))
        ):
            return leaf
        values = values.to_pylist()
    missing = np.fromiter((value is None for value in values), _BOOL, len(values))
    converted = convert(kind, ColumnInput(values, np.zeros(len(values), _BOOL), missing))
    for index, error in converted.refused.items():
        raise place.refuse(index if leaf.rows is None else int(leaf.rows[index]), str(error), error.reason)
    return Leaf(converted.array, leaf.rows)
