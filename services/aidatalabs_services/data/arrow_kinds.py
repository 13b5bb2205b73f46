"""Which Arrow types a column of lists, objects or exact numbers takes: those whose values mean the same.

Such columns go value by value through the rules for rows in JSON, which see text for everything that JSON has
no form for; without this check bytes, maps and days would be stored as the text Python shows them by.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.value_rules import is_integer, tuple_names

_Test = Callable[[pa.DataType], bool]


def may_hold(base: ColumnType, given: pa.DataType) -> bool:
    """Whether values of the Arrow type can be values of the column's type; NULLs fit or are told by row."""
    base = base.base
    if pa.types.is_null(given):
        return True
    if base.name == "Array":
        return _is_list(given) and may_hold(base.inner[0], given.value_type)
    if base.name == "Map":
        if pa.types.is_map(given):
            return _is_text(given.key_type) and may_hold(base.inner[1], given.item_type)
        return pa.types.is_struct(given) and all(may_hold(base.inner[1], each.type) for each in given)
    if base.name == "Tuple":
        inner = dict(zip(tuple_names(base), base.inner, strict=True))
        names = [each.name for each in given] if pa.types.is_struct(given) else []
        return sorted(names) == sorted(inner) and all(may_hold(inner[each.name], each.type) for each in given)
    return any(test(given) for test in _tests(base))


def _tests(base: ColumnType) -> tuple[_Test, ...]:
    if is_integer(base):
        return (pa.types.is_integer, _is_whole, _is_text)
    return _TESTS.get(base.name, (_is_text,))


def _is_text(given: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(given) or pa.types.is_large_string(given) or pa.types.is_string_view(given)
    )


def _is_list(given: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(given) or pa.types.is_large_list(given) or pa.types.is_fixed_size_list(given)
    )


def _is_whole(given: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(given) and given.scale == 0)


def _is_uuid(given: pa.DataType) -> bool:
    return isinstance(given, pa.UuidType)


_TESTS: dict[str, tuple[_Test, ...]] = {
    "Float32": (pa.types.is_integer, pa.types.is_floating),
    "Float64": (pa.types.is_integer, pa.types.is_floating),
    "Decimal": (pa.types.is_decimal, pa.types.is_integer, pa.types.is_floating, _is_text),
    "Bool": (pa.types.is_boolean,),
    "Date": (pa.types.is_date,),
    "Date32": (pa.types.is_date,),
    "DateTime": (pa.types.is_timestamp,),
    "DateTime64": (pa.types.is_timestamp,),
    "UUID": (_is_uuid, _is_text),
}
