"""What a typed path of a JSON column that never is NULL holds in rows that do not have it."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.native.scalars import enum_members
from aidatalabs_services.data.value_rules import tuple_names

_TEXT_DEFAULTS = {
    "UUID": "00000000-0000-0000-0000-000000000000",
    "IPv4": "0.0.0.0",  # noqa: S104 - an address as a value, nothing binds to it
    "IPv6": "::",
    **{f"{sign}Int{bits}": "0" for sign in ("", "U") for bits in (128, 256)},
}


def default_of(kind: ColumnType, given: pa.DataType) -> object:
    """The engine's default of a type, as a value of the Arrow type at hand."""
    base = kind.base
    if base.name in ("Array", "Map"):
        return []
    if base.name == "Tuple":
        fields = {field.name: field.type for field in given}
        return {
            name: default_of(inner, fields[name])
            for name, inner in zip(tuple_names(base), base.inner, strict=True)
        }
    if base.name.startswith("Enum"):
        return enum_members(base)[0][0]
    if pa.types.is_fixed_size_binary(given):
        return b"\0" * int(given.byte_width)
    if base.name in _TEXT_DEFAULTS:
        return _TEXT_DEFAULTS[base.name] if not pa.types.is_integer(given) else 0
    if pa.types.is_decimal(given):
        return Decimal(0)
    if pa.types.is_boolean(given):
        return False
    if pa.types.is_temporal(given):
        return pa.scalar(0, pa.int32() if pa.types.is_date32(given) else pa.int64()).cast(given).as_py()
    return "" if base.name == "String" else 0
