"""A batch cut by the partitions of its table: the engine makes one part, and one atomic step, of each.

An insert over several partitions is not one step, and over more than 100 it fails whole. Partitions are
those of UTC; where a column counts in another zone a block may touch two of them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aidatalabs_services.data.native.errors import BatchCorrupt, Place
from aidatalabs_services.data.native.scalars import numbers_of
from aidatalabs_services.data.native.soundness import check_sound
from aidatalabs_services.data.native.wire import null_flags, plain_text, struct_parts

_SECONDS_PER_DAY = 86_400
_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_UNITS = {"toYYYYMM": "M", "toYear": "Y"}


def split_by_partition(
    batch: pa.RecordBatch, column: int, function: str = "toYYYYMM"
) -> list[pa.RecordBatch]:
    """The rows of each partition in their order, partitions ascending; the batch itself where all are of one.

    `function` is toYYYYMM, toMonday, toDate or toYear, over the column of days or moments at this index. Rows
    whose times ascend are cut without a copy. Raises BatchValueInvalid for a NULL in that column,
    BatchCorrupt for arrays that cannot be read.
    """
    if batch.num_rows == 0:
        return []
    try:
        batch.validate()
    except pa.ArrowInvalid:
        raise BatchCorrupt("The batch is damaged. Send it again.") from None
    place = Place(batch.schema.names[column])
    times = batch.column(column)
    nulls = null_flags(times)
    if nulls is not None:
        raise place.refuse(int(nulls.argmax()), "must not be null")
    days = _days(times, place)
    first, last = _partitions(np.array([days.min(), days.max()]), function)
    if first == last:
        return [batch]
    keys = _partitions(days, function)
    if bool((keys[1:] < keys[:-1]).any()):
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        batch = _reordered(batch, order)
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    ends = np.r_[starts[1:], len(keys)]
    return [
        batch.slice(start, end - start) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def _reordered(batch: pa.RecordBatch, order: NDArray[np.int64]) -> pa.RecordBatch:
    check_sound(batch)
    indices = pa.array(order)
    arrays = []
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        try:
            arrays.append(without_views(array).take(indices))
        except pa.ArrowNotImplementedError:
            raise Place(name).mismatch(array.type, "to be sorted by partition") from None
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def without_views(array: pa.Array) -> pa.Array:
    """Text instead of views of text, which Arrow cannot take by rows; in objects as well."""
    if pa.types.is_string_view(array.type):
        return plain_text(array).view(pa.string())
    if pa.types.is_struct(array.type) and array.type.num_fields:
        parts = [without_views(part) for part in struct_parts(array)]
        names = [field.name for field in array.type]
        return pa.StructArray.from_arrays(parts, names, mask=array.is_null() if array.null_count else None)
    return array


def _partitions(days: NDArray[np.int64], function: str) -> NDArray[np.int64]:
    """The partition of each day since 1970 as a number."""
    if function == "toDate":
        return days
    if function == "toMonday":
        return (days + 3) // 7  # 1970-01-01 was a Thursday
    counted: NDArray[np.int64] = (
        days.astype("datetime64[D]").astype(f"datetime64[{_UNITS[function]}]").astype(np.int64)
    )
    return counted


def _days(times: pa.Array, place: Place) -> NDArray[np.int64]:
    """Days since 1970 UTC of a column of days or moments."""
    kind = times.type
    if pa.types.is_date32(kind):
        return numbers_of(times).astype(np.int64)
    if pa.types.is_date64(kind):
        ticks = 1000
    elif pa.types.is_timestamp(kind):
        ticks = _TICKS[kind.unit]
    elif pa.types.is_uint32(kind):  # seconds, as row ingest has a DateTime
        ticks = 1
    else:
        raise place.mismatch(kind, "a column of days or moments")
    return np.floor_divide(numbers_of(times).astype(np.int64, copy=False), _SECONDS_PER_DAY * ticks)
