"""Whole columns of JSON values as Arrow arrays: at the speed of arrays where all fit, by the rules where not.

The fast ways here take only columns in which every value is of the plain expected form; whatever they do not
take goes value by value through `value_rules`, which also finds the words for what is wrong. A test holds the
two against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.ingest_batches import ColumnInput, Flags
from aidatalabs_services.data.json_values import EXACT_LIMIT
from aidatalabs_services.data.refusals import ValueRefused
from aidatalabs_services.data.value_rules import (
    DAY_RANGE,
    arrow_type,
    cut_off,
    integer_range,
    is_integer,
    moment_range,
    rule_of,
    ticks_per_second,
)

_NAIVE_MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?$"
_ZULU_MOMENT = _NAIVE_MOMENT[:-1] + "Z$"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_WHOLE = r"^-?[0-9]{1,18}$"
_FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Converted:
    """An Arrow array with one entry per row, NULL where there is no value, and what is wrong by row."""

    array: pa.Array
    refused: Mapping[int, ValueRefused]


def convert(kind: ColumnType, column: ColumnInput) -> Converted:
    """The values of one column as the engine takes them; null and missing rows become NULL without a word."""
    empty = column.empty
    values: Any = column.values
    fast = _from_numbers if isinstance(values, np.ndarray) else _FAST.get(_family(kind))
    if fast is not None:
        try:
            array = fast(kind.base, values, empty)
        except (pa.ArrowException, UnicodeEncodeError, OverflowError):
            array = None  # some value is not of the plain form; the rules say which
        if array is not None:
            return Converted(array, {})
    return _one_by_one(kind.base, values, empty)


def _family(kind: ColumnType) -> str:
    return "Int" if is_integer(kind.base) else kind.base.name


def _one_by_one(kind: ColumnType, values: Any, empty: Flags) -> Converted:
    rule = rule_of(kind)
    refused: dict[int, ValueRefused] = {}
    converted: list[object] = []
    plain = values.tolist() if isinstance(values, np.ndarray) else values
    for index, (value, skip) in enumerate(zip(plain, empty.tolist(), strict=True)):
        result = None
        if not skip:
            try:
                result = rule(value)
            except ValueRefused as error:
                refused[index] = error
        converted.append(result)
    return Converted(pa.array(converted, arrow_type(kind)), refused)


def _from_numbers(kind: ColumnType, numbers: NDArray[np.float64], empty: Flags) -> pa.Array | None:
    """Doubles as integers or floats; None where the type or a value wants the rules."""
    target = arrow_type(kind)
    checked = np.where(empty, 0.0, numbers) if empty.any() else numbers
    mask = empty if empty.any() else None
    if is_integer(kind) and not pa.types.is_string(target):
        least, most = integer_range(kind)
        low, high = max(least, -EXACT_LIMIT), min(most, EXACT_LIMIT)
        # NaN fails every comparison, so it lands in the rules as well.
        if not ((checked >= low) & (checked <= high) & (checked == np.floor(checked))).all():
            return None
        return pa.array(checked.astype(target.to_pandas_dtype()), target, mask=mask)
    if kind.name in ("Float32", "Float64"):
        limit = _FLOAT32_MAX if kind.name == "Float32" else np.finfo(np.float64).max
        if not (np.abs(checked) <= limit).all():
            return None
        return pa.array(checked.astype(target.to_pandas_dtype()), target, mask=mask)
    return None


def _texts(values: Any, empty: Flags) -> pa.Array | None:
    """A string array where every value is a string."""
    if not set(map(type, values)) <= {str, type(None)}:
        return None
    array = pa.array(values, pa.string())
    # A null in the array that the batch does not know as one would pass unseen.
    return array if array.null_count == int(empty.sum()) else None


def _matching(values: Any, empty: Flags, pattern: str) -> pa.Array | None:
    array = _texts(values, empty)
    if array is None or not pc.all(pc.match_substring_regex(array, pattern), min_count=0).as_py():
        return None
    return array


def _text_column(_kind: ColumnType, values: Any, empty: Flags) -> pa.Array | None:
    return _texts(values, empty)


def _enum_column(kind: ColumnType, values: Any, empty: Flags) -> pa.Array | None:
    array = _texts(values, empty)
    if array is None:
        return None
    rule = rule_of(kind)
    try:
        for label in pc.unique(array).to_pylist():
            if label is not None:
                rule(label)
    except ValueRefused:
        return None
    return array


def _bool_column(_kind: ColumnType, values: Any, empty: Flags) -> pa.Array | None:
    if not set(map(type, values)) <= {bool, type(None)}:
        return None
    array = pa.array(values, pa.bool_())
    return array if array.null_count == int(empty.sum()) else None


def _integer_column(kind: ColumnType, values: Any, empty: Flags) -> pa.Array | None:
    """Whole numbers as short strings."""
    target = arrow_type(kind)
    if pa.types.is_string(target):
        return None
    array = _matching(values, empty, _WHOLE)
    if array is None:
        return None
    wide = array.cast(pa.int64())
    least, most = integer_range(kind)
    bounds = pc.min_max(wide).as_py()
    if bounds["min"] is not None and (bounds["min"] < least or bounds["max"] > most):
        return None
    return wide.cast(target)


def _day_column(kind: ColumnType, values: Any, empty: Flags) -> pa.Array | None:
    array = _matching(values, empty, _DAY)
    if array is None:
        return None
    days = array.cast(pa.date32())
    bounds = pc.min_max(days.cast(pa.int32())).as_py()
    least, most = DAY_RANGE[kind.name]
    if bounds["min"] is not None and (bounds["min"] < least or bounds["max"] > most):
        return None
    return days


def _moment_column(kind: ColumnType, values: Any, empty: Flags) -> pa.Array | None:
    """Moments that all end in Z or all name no offset, with at most 6 digits after the second."""
    array = _matching(values, empty, _ZULU_MOMENT)
    unit = pa.timestamp("us", tz="UTC")
    if array is None:
        array = _matching(values, empty, _NAIVE_MOMENT)
        unit = pa.timestamp("us")
    if array is None:
        return None
    micros = pc.fill_null(array.cast(unit).cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    seconds = np.floor_divide(micros, 1_000_000)
    least, most = moment_range(kind)
    if seconds.size and (seconds.min() < least or seconds.max() > most):
        return None
    ticks = ticks_per_second(kind)
    rest = micros - seconds * 1_000_000
    step = max(1, _kept_step(kind))
    cut = rest - rest % step
    counted = seconds * ticks + (
        cut * (ticks // 1_000_000) if ticks >= 1_000_000 else cut // (1_000_000 // ticks)
    )
    target = arrow_type(kind)
    plain = pa.uint32() if kind.name == "DateTime" else pa.int64()
    numbers = pa.array(counted.astype(plain.to_pandas_dtype()), plain, mask=empty if empty.any() else None)
    return numbers if kind.name == "DateTime" else numbers.cast(target)


def _kept_step(kind: ColumnType) -> int:
    """The smallest difference the type keeps, in microseconds; 0 where it is finer."""
    return next((10**digit for digit in range(7) if cut_off(10 ** (digit + 3), kind)), 1_000_000)


_FAST: Mapping[str, Callable[[ColumnType, Any, Flags], pa.Array | None]] = {
    "String": _text_column,
    "Enum8": _enum_column,
    "Enum16": _enum_column,
    "Bool": _bool_column,
    "Int": _integer_column,
    "Date": _day_column,
    "Date32": _day_column,
    "DateTime": _moment_column,
    "DateTime64": _moment_column,
}
