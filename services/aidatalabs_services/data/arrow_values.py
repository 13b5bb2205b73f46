"""One Arrow column as one column of a table: lossless, and what does not fit is told by row.

Numbers of another width, moments of another unit and dictionaries are taken where every value stays what it
is; a moment finer than the column is cut off, as it is for rows. A column whose Arrow type could never fit is
a Misfit of the whole batch; a value that does not fit refuses its row alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from aidatalabs_services.data.arrow_kinds import may_hold
from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.ingest_batches import ColumnInput
from aidatalabs_services.data.json_values import EXACT_LIMIT
from aidatalabs_services.data.native.wire import without_views
from aidatalabs_services.data.value_columns import convert
from aidatalabs_services.data.value_rules import (
    DAY_RANGE,
    arrow_type,
    integer_range,
    is_integer,
    moment_range,
    ticks_per_second,
)

Mask = NDArray[np.bool_]
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_PIECE_ROWS = 1_024
# Of a key that a map has twice the last counts, as in JSON text: nothing to tell the log.
warnings.filterwarnings("ignore", "Encountered key", UserWarning)
_UNREADABLE = object()
_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class Misfit(Exception):
    """The column's Arrow type cannot become the table's; the text continues "column x …"."""


@dataclass(frozen=True)
class Wrong:
    """Rows that one rule refuses; `message` continues "column x …"."""

    rows: Mask
    reason: str
    message: str


Fitted = tuple[pa.Array, Sequence[Wrong]]


def fitted_column(kind: ColumnType, array: pa.Array) -> Fitted:
    """The column in the Arrow type that its table's column travels in, NULL where there is no value.

    Text keeps its dictionary and JSON its form (text, struct or map; NULL is an empty object). Raises Misfit.
    """
    base = kind.base
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.string() if base.name == "JSON" else arrow_type(base)), ()
    fit = _fit_of(base)
    if fit is not _texts and pa.types.is_dictionary(array.type):
        if pa.types.is_nested(array.type.value_type):
            raise _misfit(base, array, "the values without a dictionary")
        array = array.dictionary_decode()
    return fit(base, array)


def _fit_of(base: ColumnType) -> Callable[[ColumnType, pa.Array], Fitted]:
    if is_integer(base) and integer_range(base)[1] < 2**64:
        return _integers
    plain: dict[str, Callable[[ColumnType, pa.Array], Fitted]] = {
        "Float32": _floats,
        "Float64": _floats,
        "Bool": _bools,
        "String": _texts,
        "Date": _days,
        "Date32": _days,
        "DateTime": _moments,
        "DateTime64": _moments,
        "JSON": _objects,
    }
    return plain.get(base.name, _by_rules)


def _misfit(base: ColumnType, array: pa.Array, wanted: str) -> Misfit:
    return Misfit(f"is {array.type} in the batch and {base} in the table; send {wanted}"[:300])


def _mask(found: pa.Array) -> Mask:
    mask: Mask = pc.fill_null(found, False).to_numpy(zero_copy_only=False)
    return mask


def _integers(base: ColumnType, array: pa.Array) -> Fitted:
    if not pa.types.is_integer(array.type):
        raise _misfit(base, array, "whole numbers")
    target = arrow_type(base)
    try:
        return array.cast(target), ()
    except pa.ArrowInvalid:
        least, most = integer_range(base)
        rows = _outside(array, least, most)
        wrong = Wrong(rows, "VALUE_INVALID", f"is out of range for {base}: {least} to {most}")
        return array.cast(target, safe=False), [wrong]


def _outside(array: pa.Array, least: int, most: int) -> Mask:
    """Rows whose whole number lies outside; bounds that the array's own type cannot hold do not matter."""
    bits, signed = array.type.bit_width, pa.types.is_signed_integer(array.type)
    own_least, own_most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    rows = np.zeros(len(array), np.bool_)
    if least > own_least:
        rows |= _mask(pc.less(array, pa.scalar(least, array.type)))
    if most < own_most:
        rows |= _mask(pc.greater(array, pa.scalar(most, array.type)))
    return rows


def _floats(base: ColumnType, array: pa.Array) -> Fitted:
    wrong = []
    if pa.types.is_integer(array.type):
        rows = _outside(array, -EXACT_LIMIT, EXACT_LIMIT)
        if rows.any():
            wrong.append(Wrong(rows, "VALUE_INVALID", "is a number of ±2^53 or beyond; send it as text"))
        return array.cast(arrow_type(base), safe=False), wrong
    if not pa.types.is_floating(array.type):
        raise _misfit(base, array, "numbers")
    finite = pc.is_finite(array)
    if not pc.all(finite, min_count=0).as_py():
        wrong.append(Wrong(_mask(pc.invert(finite)), "VALUE_NOT_FINITE", "must be a finite number"))
    if base.name == "Float32" and array.type == pa.float64():
        large = _mask(pc.greater(pc.abs(array), _FLOAT32_MAX)) & _mask(finite)
        if large.any():
            wrong.append(Wrong(large, "VALUE_INVALID", "is out of range for Float32"))
    return array.cast(arrow_type(base), safe=False), wrong


def _bools(base: ColumnType, array: pa.Array) -> Fitted:
    if not pa.types.is_boolean(array.type):
        raise _misfit(base, array, "booleans")
    return array, ()


def _texts(base: ColumnType, array: pa.Array) -> Fitted:
    plain = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if not (pa.types.is_string(plain) or pa.types.is_large_string(plain) or pa.types.is_string_view(plain)):
        raise _misfit(base, array, "text")
    if pa.types.is_dictionary(array.type):
        # An entry that is NULL would hide from every look at the indices.
        plain_entries = not array.dictionary.null_count
        return (array if plain_entries else array.dictionary_decode().dictionary_encode()), ()
    if pa.types.is_string(plain):
        return array, ()
    return array.cast(pa.string()), ()


def _days(base: ColumnType, array: pa.Array) -> Fitted:
    if not pa.types.is_date(array.type):
        raise _misfit(base, array, "days (date32)")
    days = array.cast(pa.date32())
    least, most = DAY_RANGE[base.name]
    rows = _outside(days.cast(pa.int32()), least, most)
    wrong = [Wrong(rows, "VALUE_INVALID", "is a day out of range of the column's type")] if rows.any() else []
    return days, wrong


def _moments(base: ColumnType, array: pa.Array) -> Fitted:
    """Moments are UTC; a unit that is finer than the column's is cut off towards the past."""
    if not pa.types.is_timestamp(array.type):
        raise _misfit(base, array, "timestamps")
    given = _TICKS[array.type.unit]
    ticks = pc.fill_null(array.cast(pa.int64()), 0).to_numpy()
    seconds = np.floor_divide(ticks, given) if given > 1 else ticks
    least, most = moment_range(base)
    rows = ((seconds < least) | (seconds > most)) & array.is_valid().to_numpy(zero_copy_only=False)
    wrong = (
        [Wrong(rows, "VALUE_INVALID", "is a time out of range of the column's type")] if rows.any() else []
    )
    if rows.any():
        ticks = np.where(rows, 0, ticks)
    digits = int(base.parameters[0]) if base.name == "DateTime64" else 0
    kept = 10**digits
    if given > kept:
        ticks = np.floor_divide(ticks, given // kept) * (given // kept)
    wanted = ticks_per_second(base)
    ticks = ticks * (wanted // given) if wanted >= given else np.floor_divide(ticks, given // wanted)
    empty = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    whole = pa.array(ticks, pa.int64(), mask=empty)
    target = arrow_type(base)
    return (whole.cast(target) if target == pa.uint32() else whole.view(target)), wrong


def _objects(base: ColumnType, array: pa.Array) -> Fitted:
    kind = array.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string()), ()
    if pa.types.is_string(kind):
        return array, ()
    if pa.types.is_struct(kind):
        return without_views(array), ()  # Arrow can pick no rows of views
    if pa.types.is_map(kind) and pa.types.is_string(kind.key_type):
        return array, ()
    raise _misfit(base, array, "a struct, a map with text keys, or JSON text")


def _by_rules(base: ColumnType, array: pa.Array) -> Fitted:
    """Value by value, by the rules for rows in JSON: for types whose columns are rare or short."""
    if base.name == "Decimal" and pa.types.is_decimal(array.type):
        try:
            return array.cast(arrow_type(base)), ()
        except pa.ArrowInvalid:
            pass  # some value has more digits: which one, the rules say
    if not may_hold(base, array.type):
        raise _misfit(base, array, "values of that type")
    values, unreadable = _python_values(array)
    empty = array.is_null().to_numpy(zero_copy_only=False) | unreadable
    converted = convert(base, ColumnInput(values, empty, np.zeros(len(array), np.bool_)))
    wrong = [Wrong(unreadable, "VALUE_INVALID", "holds a time out of range")] if unreadable.any() else []
    by_words: dict[tuple[str, str], list[int]] = {}
    for index, error in converted.refused.items():
        by_words.setdefault((error.reason, str(error)), []).append(index)
    for (reason, words), indexes in by_words.items():
        rows = np.zeros(len(array), np.bool_)
        rows[indexes] = True
        wrong.append(Wrong(rows, reason, words))
    return converted.array, wrong


def _python_values(array: pa.Array) -> tuple[list[object], Mask]:
    """The values as the rules know them, and the rows with a time that Python has none for.

    A piece at a time: Arrow makes Python values without letting any other thread run.
    """
    values: list[object] = []
    unreadable = np.zeros(len(array), np.bool_)
    for begin in range(0, len(array), _PIECE_ROWS):
        piece = array.slice(begin, _PIECE_ROWS)
        try:
            found = piece.to_pylist(maps_as_pydicts="lossy")
        except (OverflowError, ValueError):
            found = [_python_value(entry) for entry in piece]
            unreadable[begin : begin + len(found)] = [value is _UNREADABLE for value in found]
        values.extend(None if value is _UNREADABLE else _jsonable(value) for value in found)
    return values, unreadable


def _python_value(entry: pa.Scalar) -> object:
    try:
        return entry.as_py(maps_as_pydicts="lossy")
    except (OverflowError, ValueError):
        return _UNREADABLE


def _jsonable(value: object) -> object:
    """A value of Arrow as the rules know it: exact numbers, days and moments as text."""
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"  # never with an exponent
    return value if isinstance(value, str | float | bool) or value is None else str(value)
