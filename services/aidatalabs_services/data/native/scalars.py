"""Fixed-width columns of the Native format as NumPy arrays, from Arrow arrays without NULLs.

ClickHouse Native format, verified against engine 26.9: integers and floats little-endian; Bool one byte;
Date UInt16 and Date32 Int32 days; DateTime UInt32 seconds; DateTime64(p) Int64 ticks of 10^-p s; Decimal the
unscaled Int32/64/128/256; Enum its number; UUID two UInt64, the high half first; IPv4 UInt32; IPv6 16 bytes
in network order. Only what arrives without loss is taken; everything else is refused with its row.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from aidatalabs_services.data.column_types import ColumnType, unquote_text
from aidatalabs_services.data.native.errors import Place
from aidatalabs_services.data.native.wire import bytes_of, plain_text
from aidatalabs_services.data.refusals import ValueRefused
from aidatalabs_services.data.value_rules import (
    DAY_RANGE,
    integer_range,
    is_integer,
    moment_range,
    rule_of,
)

Column = NDArray[Any]

_UNIT_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_DAY_MS = 86_400_000


def fixed_width(kind: ColumnType, array: pa.Array, place: Place) -> Column:
    """The wire's values of a column of fixed width; `array` has no NULLs.

    Raises BatchSchemaInvalid for an Arrow type that does not fit, BatchValueInvalid for the first value.
    """
    if pa.types.is_dictionary(array.type):
        if not is_text(array.type.value_type):
            array = decoded(array, kind, place)
    elif isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    family = "Int" if is_integer(kind) else kind.name
    return _FAMILIES[family](kind, array, place)


def filler(kind: ColumnType) -> int:
    """What stands under a NULL: zero, except for an Enum, which may have no member of that number."""
    return enum_members(kind)[0][1] if kind.name.startswith("Enum") else 0


def decoded(array: pa.Array, kind: object, place: Place) -> pa.Array:
    """The values of a dictionary by row. Raises BatchTooLarge where they repeat long text too often.

    Lists and objects in a dictionary are refused: they could be repeated without end as well.
    """
    if not pa.types.is_dictionary(array.type):
        return array
    if is_text(array.type.value_type):
        return plain_text(array).view(pa.string())
    if not pa.types.is_primitive(array.type.value_type):
        raise place.mismatch(array.type, kind)
    return array.dictionary_decode()


def is_text(kind: pa.DataType) -> bool:
    """Whether it is one of Arrow's three types of text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def numbers_of(array: pa.Array) -> Column:
    """The values of a fixed-width Arrow array as they lie in memory; what is under a NULL is arbitrary."""
    width = array.type.bit_width // 8
    dtype: Any = _PLAIN_DTYPES.get(array.type.id, np.dtype(f"V{width}"))
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return np.zeros(len(array), dtype)
    return np.frombuffer(buffer, dtype, len(array), array.offset * width)


def plain_numbers(array: pa.Array) -> Column | None:
    """As `numbers_of` where NumPy knows the type; None for all others."""
    return numbers_of(array) if array.type.id in _PLAIN_DTYPES else None


_PLAIN_DTYPES = {
    kind.id: np.dtype(code)
    for kind, code in (
        (pa.int8(), "<i1"),
        (pa.int16(), "<i2"),
        (pa.int32(), "<i4"),
        (pa.int64(), "<i8"),
        (pa.uint8(), "<u1"),
        (pa.uint16(), "<u2"),
        (pa.uint32(), "<u4"),
        (pa.uint64(), "<u8"),
        (pa.float16(), "<f2"),
        (pa.float32(), "<f4"),
        (pa.float64(), "<f8"),
        (pa.timestamp("s"), "<i8"),
        (pa.date32(), "<i4"),
        (pa.date64(), "<i8"),
    )
}


def _first(flags: NDArray[np.bool_]) -> int | None:
    """The place of the first true flag."""
    return int(flags.argmax()) if flags.any() else None


def _within(numbers: Column, least: int, most: int, place: Place, message: str) -> None:
    """Refuses the first number outside least … most; bounds beyond the dtype hold by themselves."""
    if numbers.size == 0:
        return
    info = np.iinfo(numbers.dtype)
    if least > info.min and int(numbers.min()) < least:
        raise place.refuse(_first(numbers < least), message)
    if most < info.max and int(numbers.max()) > most:
        raise place.refuse(_first(numbers > most), message)


def _integers(kind: ColumnType, array: pa.Array, place: Place) -> Column:
    least, most = integer_range(kind)
    bits = int(kind.name.lstrip("UInt"))
    if not pa.types.is_integer(array.type):
        if bits > 64 and (is_text(array.type) or pa.types.is_dictionary(array.type)):
            return _by_entry(kind, array, place, lambda value: _little(int(str(value)), bits, least < 0))
        if bits > 64 and pa.types.is_decimal128(array.type) and array.type.scale == 0:
            return _widened(numbers_of(array), bits, place if least == 0 else None)
        raise place.mismatch(array.type, kind)
    numbers = numbers_of(array)
    if bits > 64:
        _within(numbers, least, most, place, f"is out of range for {kind}: {least} to {most}")
        return _widened(numbers, bits, None)
    _within(numbers, least, most, place, f"is out of range for {kind}: {least} to {most}")
    return numbers.astype(f"<{'i' if least < 0 else 'u'}{bits // 8}", copy=False)


def _little(value: int, bits: int, signed: bool) -> bytes:
    return value.to_bytes(bits // 8, "little", signed=signed)


def _widened(numbers: Column, bits: int, unsigned: Place | None) -> Column:
    """Integers of up to 128 bits with their sign drawn out to `bits`; negative ones refused at `unsigned`."""
    narrow = numbers.view(np.uint8).reshape(len(numbers), -1)
    signed = numbers.dtype.kind != "u"
    negative = (narrow[:, -1] >= 128) if signed else np.zeros(len(numbers), np.bool_)
    if unsigned is not None and negative.any():
        raise unsigned.refuse(_first(negative), "is out of range: it must not be negative")
    out = np.empty((len(numbers), bits // 8), np.uint8)
    out[:, : narrow.shape[1]] = narrow
    out[:, narrow.shape[1] :] = np.where(negative, np.uint8(255), np.uint8(0))[:, None]
    return _items(out)


def _items(rows: NDArray[np.uint8]) -> Column:
    """Rows of bytes as one opaque value each, so that they can be masked and scattered like numbers."""
    return np.ascontiguousarray(rows).view(np.dtype(f"V{rows.shape[1]}")).reshape(-1)


def _floats(kind: ColumnType, array: pa.Array, place: Place) -> Column:
    if pa.types.is_integer(array.type):
        whole = numbers_of(array)
        limit = 2**53 if kind.name == "Float64" else 2**24
        _within(whole, -limit, limit, place, f"is a whole number that {kind} does not hold exactly")
        return whole.astype("<f8" if kind.name == "Float64" else "<f4")
    if not pa.types.is_floating(array.type):
        raise place.mismatch(array.type, kind)
    given = numbers_of(array)
    finite(given, place)
    if kind.name == "Float64":
        return given.astype("<f8", copy=False)
    with np.errstate(over="ignore"):
        narrow = given.astype("<f4", copy=False)
    if narrow is not given and (changed := _first(narrow.astype(given.dtype) != given)) is not None:
        raise place.refuse(changed, "is a number that Float32 does not hold exactly")
    return narrow


def finite(numbers: Column, place: Place) -> None:
    """Refuses the first NaN or infinity, as row ingest does."""
    # The sum of finite numbers may overflow, that of others is never finite: one quick pass for most.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(numbers.sum(dtype=np.float64)):
            return
    wrong = _first(~np.isfinite(numbers))
    if wrong is not None:
        raise place.refuse(wrong, "must be a finite number", "VALUE_NOT_FINITE")


def _bools(kind: ColumnType, array: pa.Array, place: Place) -> Column:
    if not pa.types.is_boolean(array.type):
        raise place.mismatch(array.type, kind)
    if len(array) == 0:
        return np.zeros(0, np.uint8)
    bits = np.frombuffer(array.buffers()[1], np.uint8)[array.offset // 8 :]
    skip = array.offset % 8
    return np.ascontiguousarray(np.unpackbits(bits, count=skip + len(array), bitorder="little")[skip:])


def _days(kind: ColumnType, array: pa.Array, place: Place) -> Column:
    if pa.types.is_date32(array.type):
        days = numbers_of(array)
    elif pa.types.is_date64(array.type):
        days = numbers_of(array) // _DAY_MS  # Arrow's own check sees to it that they are whole days
    else:
        raise place.mismatch(array.type, kind)
    _within(days, *DAY_RANGE[kind.name], place, f"is a day out of range of {kind}")
    return days.astype("<u2" if kind.name == "Date" else "<i4", copy=False)


def _moments(kind: ColumnType, array: pa.Array, place: Place) -> Column:
    seconds = kind.name == "DateTime"
    if seconds and pa.types.is_uint32(array.type):
        return numbers_of(array)
    if not pa.types.is_timestamp(array.type):
        raise place.mismatch(array.type, kind)
    digits = 0 if seconds else int(kind.parameters[0])
    unit = _UNIT_DIGITS[array.type.unit]
    given = numbers_of(array)
    least, most = moment_range(kind)
    scale = 10**unit
    _within(given, least * scale, most * scale + scale - 1, place, f"is a time out of range of {kind}")
    if digits >= unit:
        ticks = given * np.int64(10 ** (digits - unit)) if digits > unit else given
    else:
        step = np.int64(10 ** (unit - digits))
        ticks = given // step
        if (finer := _first(ticks * step != given)) is not None:
            raise place.refuse(finer, f"is a time finer than {kind} keeps")
    return ticks.astype("<u4" if seconds else "<i8", copy=False)


def _decimals(kind: ColumnType, array: pa.Array, place: Place) -> Column:
    digits, scale = int(kind.parameters[0]), int(kind.parameters[1])
    if not (pa.types.is_decimal(array.type) or pa.types.is_integer(array.type)):
        raise place.mismatch(array.type, kind)
    wanted = pa.decimal128(digits, scale) if digits <= 38 else pa.decimal256(digits, scale)
    if array.type != wanted:
        array = _rescaled(array, wanted, kind, place)
    raw = numbers_of(array)
    if digits > 18:
        return raw
    # What fits 18 digits fits the low half of 128 bits; a value beyond the type's own digits may not.
    halves = raw.view("<i8").reshape(len(raw), 2)
    limit = 10**digits - 1
    low = halves[:, 0]
    beyond = (halves[:, 1] != low >> 63) | (low > limit) | (low < -limit)
    if (wrong := _first(beyond)) is not None:
        raise place.refuse(wrong, f"is out of range for {kind}")
    return np.ascontiguousarray(low).astype("<i4" if digits <= 9 else "<i8", copy=False)


def _rescaled(array: pa.Array, wanted: pa.DataType, kind: ColumnType, place: Place) -> pa.Array:
    try:
        return array.cast(wanted)
    except pa.ArrowInvalid:
        pass
    if pa.types.is_integer(array.type):
        array = array.cast(pa.decimal128(20, 0))
    for index in range(len(array)):
        try:
            array.slice(index, 1).cast(wanted)
        except pa.ArrowInvalid:
            raise place.refuse(index, f"does not fit {kind}") from None
    return pa.concat_arrays([array.slice(index, 1).cast(wanted) for index in range(len(array))])


def _by_entry(
    kind: ColumnType, array: pa.Array, place: Place, encode: Callable[[object], bytes | int]
) -> Column:
    """Text through the rules of row ingest, each distinct value once."""
    rule = rule_of(kind)
    coded = array if pa.types.is_dictionary(array.type) else plain_text(array).cast(pa.string())
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    if not is_text(coded.type.value_type):
        raise place.mismatch(array.type, kind)
    codes = coded.indices.to_numpy()
    used = np.zeros(len(coded.dictionary), np.bool_)
    used[codes] = True
    entries: list[bytes | int] = []
    nothing = encode(rule(_EXAMPLES[kind.name](kind)))
    for entry, value in enumerate(coded.dictionary.to_pylist()):
        if not used[entry]:
            entries.append(nothing)
            continue
        try:
            entries.append(encode(rule(value)))
        except ValueRefused as error:
            raise place.refuse(_first(codes == entry), str(error), error.reason) from None
    sample = nothing
    if isinstance(sample, int):
        numbers: Column = np.array(entries, _ENUM_DTYPES.get(kind.name, "<u4"))
        return numbers[codes] if len(entries) else numbers
    table = np.frombuffer(b"".join(each for each in entries if isinstance(each, bytes)), f"V{len(sample)}")
    return np.asarray(table[codes] if len(table) else np.zeros(0, table.dtype))


_ENUM_DTYPES = {"Enum8": "<i1", "Enum16": "<i2"}
_EXAMPLES: dict[str, Callable[[ColumnType], str]] = {
    **{f"{sign}Int{bits}": lambda _: "0" for sign in ("", "U") for bits in (128, 256)},
    "Enum8": lambda kind: enum_members(kind)[0][0],
    "Enum16": lambda kind: enum_members(kind)[0][0],
    "UUID": lambda _: "00000000-0000-0000-0000-000000000000",
    "IPv4": lambda _: "0.0.0.0",  # noqa: S104 - an address as a value, nothing binds to it
    "IPv6": lambda _: "::",
}


def enum_members(kind: ColumnType) -> list[tuple[str, int]]:
    """Labels and numbers of an Enum, numbers ascending."""
    pairs = (member.rpartition(" = ") for member in kind.parameters)
    return [(unquote_text(label), int(number)) for label, _, number in pairs]


def _enums(kind: ColumnType, array: pa.Array, place: Place) -> Column:
    _require_text(kind, array, place)
    members = dict(enum_members(kind))
    return _by_entry(kind, array, place, lambda value: members[str(value)])


def _require_text(kind: ColumnType, array: pa.Array, place: Place) -> None:
    inner = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if not is_text(inner):
        raise place.mismatch(array.type, kind)


_HEX = np.full(256, 255, np.uint8)
for _digit, _char in enumerate("0123456789abcdef"):
    _HEX[ord(_char)] = _HEX[ord(_char.upper())] = _digit
_UUID_DASHES = (8, 13, 18, 23)


def _uuids(kind: ColumnType, array: pa.Array, place: Place) -> Column:
    if pa.types.is_fixed_size_binary(array.type) and array.type.byte_width == 16:
        raw = numbers_of(array).view(np.uint8).reshape(-1, 16)
    else:
        _require_text(kind, array, place)
        raw = _uuid_bytes(plain_text(array), place)
    # Two UInt64, each little-endian, the high half first.
    return _items(np.ascontiguousarray(raw.reshape(-1, 2, 8)[:, :, ::-1]).reshape(-1, 16))


def _uuid_bytes(values: pa.Array, place: Place) -> NDArray[np.uint8]:
    sizes = pc.binary_length(values).to_numpy(zero_copy_only=False)
    message = "must be a UUID such as 6f1c1a52-0c3e-4c1e-9d1c-0123456789ab"
    if (wrong := _first(sizes != 36)) is not None:
        raise place.refuse(wrong, message)
    chars = np.frombuffer(bytes_of(values), np.uint8).reshape(-1, 36)
    keep = np.ones(36, np.bool_)
    keep[list(_UUID_DASHES)] = False
    nibbles = _HEX[chars[:, keep]]
    bad = (nibbles == 255).any(axis=1) | (chars[:, ~keep] != ord("-")).any(axis=1)
    if (wrong := _first(bad)) is not None:
        raise place.refuse(wrong, message)
    return nibbles[:, 0::2] << np.uint8(4) | nibbles[:, 1::2]


def _addresses(kind: ColumnType, array: pa.Array, place: Place) -> Column:
    if kind.name == "IPv4" and pa.types.is_uint32(array.type):
        return numbers_of(array)
    if kind.name == "IPv6" and pa.types.is_fixed_size_binary(array.type) and array.type.byte_width == 16:
        return numbers_of(array)
    _require_text(kind, array, place)
    if kind.name == "IPv4":
        return _by_entry(kind, array, place, lambda value: int(ipaddress.IPv4Address(str(value))))
    return _by_entry(kind, array, place, lambda value: ipaddress.IPv6Address(str(value)).packed)


_FAMILIES: dict[str, Callable[[ColumnType, pa.Array, Place], Column]] = {
    "Int": _integers,
    "Float32": _floats,
    "Float64": _floats,
    "Bool": _bools,
    "Date": _days,
    "Date32": _days,
    "DateTime": _moments,
    "DateTime64": _moments,
    "Decimal": _decimals,
    "Enum8": _enums,
    "Enum16": _enums,
    "UUID": _uuids,
    "IPv4": _addresses,
    "IPv6": _addresses,
}
