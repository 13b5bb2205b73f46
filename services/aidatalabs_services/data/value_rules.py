"""One JSON value as one ClickHouse value: strict, never a silent default, never a lost digit.

`arrow_type` says how a column travels to the engine and `rule_of` gives the function that turns one JSON
value into what that Arrow column takes, or raises ValueRefused. Whole numbers come as numbers (below ±2^53,
where a double is still exact) or as strings; moments as RFC 3339 or `YYYY-MM-DD hh:mm:ss`, UTC where no
offset is named, cut off at the column's precision.
"""

from __future__ import annotations

import calendar
import decimal
import functools
import ipaddress
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa

from aidatalabs_services.data.column_types import ColumnType, unquote_text
from aidatalabs_services.data.json_values import EXACT_LIMIT, JsonRefused, json_text
from aidatalabs_services.data.path_values import Rule, as_declared, path_rule
from aidatalabs_services.data.refusals import ValueRefused

_WHOLE = re.compile(r"-?[0-9]{1,80}\Z")
_DECIMAL = re.compile(r"-?[0-9]{1,80}(\.[0-9]{1,80})?\Z")
_FLOAT = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?\Z")
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})\Z")
_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?\Z"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")

# Days since 1970 and seconds since 1970 that each type can hold.
DAY_RANGE = {"Date": (0, 65_535), "Date32": (-25_567, 120_529)}
SECOND_RANGE = {"DateTime": (0, 2**32 - 1), "DateTime64": (-2_208_988_800, 10_413_791_999)}
# A DateTime64(9) counts nanoseconds in 64 bits: it ends on 2262-04-11.
_NANOSECOND_END = 9_223_372_036
_FLOAT32_MAX = 3.4028234663852886e38


def integer_range(kind: ColumnType) -> tuple[int, int]:
    """Least and greatest value of an integer type."""
    bits = int(kind.name.lstrip("UInt"))
    return (0, 2**bits - 1) if kind.name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def ticks_per_second(kind: ColumnType) -> int:
    """How finely Arrow counts a moment of this type: 1, 10^3, 10^6 or 10^9 a second."""
    digits = int(kind.parameters[0]) if kind.name == "DateTime64" else 0
    return int(10 ** (3 * math.ceil(digits / 3)))


def is_integer(kind: ColumnType) -> bool:
    """Whether it is one of Int8 to UInt256."""
    return "Int" in kind.name


@functools.lru_cache(maxsize=4096)
def arrow_type(kind: ColumnType) -> pa.DataType:
    """The Arrow type in which the engine takes a column of this type without loss."""
    kind = kind.base
    if is_integer(kind):
        bits = int(kind.name.lstrip("UInt"))
        if bits > 64:
            return pa.string()
        return getattr(pa, f"{'uint' if kind.name.startswith('U') else 'int'}{bits}")()
    if kind.name == "Decimal":
        digits, scale = int(kind.parameters[0]), int(kind.parameters[1])
        return pa.decimal128(digits, scale) if digits <= 38 else pa.decimal256(digits, scale)
    if kind.name == "DateTime64":
        return pa.timestamp({1: "s", 10**3: "ms", 10**6: "us", 10**9: "ns"}[ticks_per_second(kind)], tz="UTC")
    if kind.name == "Array":
        return pa.list_(arrow_type(kind.inner[0]))
    if kind.name == "Map":
        return pa.map_(arrow_type(kind.inner[0]), arrow_type(kind.inner[1]))
    if kind.name == "Tuple":
        return pa.struct(list(zip(tuple_names(kind), map(arrow_type, kind.inner), strict=True)))
    plain = {
        "Float32": pa.float32(),
        "Float64": pa.float64(),
        "Bool": pa.bool_(),
        "Date": pa.date32(),
        "Date32": pa.date32(),
        "DateTime": pa.uint32(),
    }
    return plain.get(kind.name, pa.string())


def tuple_names(kind: ColumnType) -> tuple[str, ...]:
    """Names of a Tuple's fields; 1, 2, … where they have none."""
    return kind.names or tuple(str(place) for place in range(1, len(kind.inner) + 1))


@functools.lru_cache(maxsize=4096)
def rule_of(kind: ColumnType) -> Rule:
    """The function that reads one JSON value of this type. None passes where the type is Nullable."""
    rule = _plain_rule(kind.base)
    if not kind.nullable:
        return functools.partial(_required, rule)
    return lambda value: None if value is None else rule(value)


def _required(rule: Rule, value: object) -> object:
    if value is None:
        raise ValueRefused("must not be null")
    return rule(value)


def _plain_rule(kind: ColumnType) -> Rule:
    name = kind.name
    if is_integer(kind):
        least, most = integer_range(kind)
        read = functools.partial(_integer, name, least, most)
        return (lambda value: str(read(value))) if most >= 2**64 else read
    if name == "Enum8" or name == "Enum16":
        return functools.partial(_member, enum_names(kind))
    if name == "DateTime" or name == "DateTime64":
        return functools.partial(_moment, kind)
    if name == "Decimal":
        return functools.partial(_decimal, int(kind.parameters[0]), int(kind.parameters[1]))
    if name in DAY_RANGE:
        return functools.partial(_day, *DAY_RANGE[name])
    if name == "JSON" and kind.names:
        return functools.partial(_typed_json, dict(zip(kind.names, map(_path_rule, kind.inner), strict=True)))
    if name == "Array":
        return functools.partial(_array, rule_of(kind.inner[0]))
    if name == "Map":
        return functools.partial(_map, _key_rule(kind.inner[0]), rule_of(kind.inner[1]))
    if name == "Tuple":
        return functools.partial(_tuple, tuple_names(kind), tuple(map(rule_of, kind.inner)))
    rules: dict[str, Rule] = {
        "Float32": functools.partial(_float, _FLOAT32_MAX),
        "Float64": functools.partial(_float, math.inf),
        "Bool": _bool,
        "String": _text,
        "UUID": _uuid,
        "IPv4": _ipv4,
        "IPv6": _ipv6,
        "JSON": _json,
    }
    return rules[name]


@functools.lru_cache(maxsize=256)
def enum_names(kind: ColumnType) -> frozenset[str]:
    """The labels of an Enum."""
    return frozenset(unquote_text(member.rpartition(" = ")[0]) for member in kind.parameters)


def _integer(name: str, least: int, most: int, value: object) -> int:
    if isinstance(value, str):
        if not _WHOLE.match(value):
            raise ValueRefused(f"must be a whole number ({name})")
        number = int(value)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueRefused(f"must be a whole number ({name})")
    elif isinstance(value, float):
        if not math.isfinite(value) or value != math.floor(value):
            raise ValueRefused(f"must be a whole number ({name})")
        if abs(value) > EXACT_LIMIT:
            raise ValueRefused("is a number of ±2^53 or beyond; send it as a string")
        number = int(value)
    else:
        number = value
    if not least <= number <= most:
        raise ValueRefused(f"is out of range for {name}: {least} to {most}")
    return number


def _float(limit: float, value: object) -> float:
    if isinstance(value, str) and _FLOAT.match(value):
        number = float(value)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueRefused("must be a number")
    elif isinstance(value, int) and abs(value) > EXACT_LIMIT:
        raise ValueRefused("is a number of ±2^53 or beyond; send it as a string")
    else:
        number = float(value)
    if not math.isfinite(number):
        raise ValueRefused("must be a finite number", "VALUE_NOT_FINITE")
    if abs(number) > limit:
        raise ValueRefused("is out of range for Float32")
    return number


def _decimal(digits: int, scale: int, value: object) -> decimal.Decimal:
    """From text as it stands; from a number by its shortest decimal form."""
    wanted = f"must be a decimal number with at most {scale} digits after the point"
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueRefused(wanted)
    if isinstance(value, float) and (not math.isfinite(value) or abs(value) > EXACT_LIMIT):
        raise ValueRefused("is a number that is not exact; send it as a string")
    text = value if isinstance(value, str) else format(decimal.Decimal(repr(value)), "f")
    if not _DECIMAL.match(text):
        raise ValueRefused(wanted)
    whole, _, fraction = text.lstrip("-").partition(".")
    if len(fraction.rstrip("0")) > scale:
        raise ValueRefused(wanted)
    if len(whole.lstrip("0")) > digits - scale:
        raise ValueRefused(f"is out of range for Decimal({digits}, {scale})")
    sign = "-" if text.startswith("-") else ""
    return decimal.Decimal(f"{sign}{whole}.{fraction.rstrip('0')}".rstrip("."))


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueRefused("must be true or false")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueRefused("must be a string")
    if not _is_unicode(value):
        raise ValueRefused("holds text that is not valid Unicode")
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _uuid(value: object) -> str:
    if isinstance(value, str) and _UUID.match(value):
        return str(uuid.UUID(value))
    raise ValueRefused("must be a UUID such as 6f1c1a52-0c3e-4c1e-9d1c-0123456789ab")


def _ipv4(value: object) -> str:
    try:
        if not isinstance(value, str):
            raise ValueError(value)
        return str(ipaddress.IPv4Address(value))
    except ValueError:
        raise ValueRefused("must be an IPv4 address such as 192.0.2.1") from None


def _ipv6(value: object) -> str:
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError(value)
        return ipaddress.IPv6Address(value).exploded
    except ValueError:
        raise ValueRefused("must be an IPv6 address such as 2001:db8::1") from None


def _member(names: frozenset[str], value: object) -> str:
    if isinstance(value, str) and value in names:
        return value
    listed = ", ".join(sorted(names)[:8]) + (", …" if len(names) > 8 else "")
    raise ValueRefused(f"must be one of {listed}")


def _json(value: object) -> str:
    if not isinstance(value, Mapping):
        raise ValueRefused("must be a JSON object")
    try:
        return json_text(value)
    except JsonRefused as error:
        raise ValueRefused(str(error)) from None


def _typed_json(rules: Mapping[str, Rule], value: object) -> str:
    text = _json(value)
    assert isinstance(value, Mapping)  # noqa: S101 - what _json takes
    written = as_declared(rules, value)
    return text if written is value else _json(written)


def _path_rule(kind: ColumnType) -> Rule:
    moments = kind.base.name in SECOND_RANGE
    return path_rule(rule_of(kind), ticks_per_second(kind.base) if moments else None)


def has_zone(kind: ColumnType) -> bool:
    """Whether a type is of moments in a time zone of its own."""
    place = {"DateTime": 0, "DateTime64": 1}.get(kind.base.name)
    return place is not None and len(kind.base.parameters) > place


def day_number(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01. Raises ValueError for a day that the calendar does not have."""
    return date(year, month, day).toordinal() - 719_163


def _day(least: int, most: int, value: object) -> int:
    match = _DAY.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueRefused("must be a day such as 2013-07-04")
    try:
        days = day_number(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        raise ValueRefused("is a day that the calendar does not have") from None
    if not least <= days <= most:
        raise ValueRefused("is a day out of range of the column's type")
    return days


def moment_seconds(text: str) -> tuple[int, int]:
    """Seconds since 1970 UTC and the nanoseconds after them. Raises ValueRefused for any other text."""
    match = _MOMENT.match(text)
    if match is None:
        raise ValueRefused("must be a time such as 2013-07-04T12:00:00Z or 2013-07-04 12:00:00")
    year, month, day, hour, minute, second = (int(match[place]) for place in range(1, 7))
    if hour > 23 or minute > 59 or second > 59:
        raise ValueRefused("is a time that the clock does not have")
    offset = 0
    if match[8] and match[8] not in "Zz":
        hours, minutes = int(match[8][1:3]), int(match[8][4:6])
        if hours > 23 or minutes > 59:
            raise ValueRefused("has an offset that no clock has")
        offset = (hours * 3600 + minutes * 60) * (-1 if match[8][0] == "-" else 1)
    try:
        day_number(year, month, day)
    except ValueError:
        raise ValueRefused("is a day that the calendar does not have") from None
    seconds = calendar.timegm((year, month, day, hour, minute, second)) - offset
    return seconds, int((match[7] or "").ljust(9, "0"))


def _moment(kind: ColumnType, value: object) -> int:
    if not isinstance(value, str):
        raise ValueRefused("must be a time such as 2013-07-04T12:00:00Z")
    seconds, nanoseconds = moment_seconds(value)
    least, most = moment_range(kind)
    if not least <= seconds <= most:
        raise ValueRefused("is a time out of range of the column's type")
    ticks = ticks_per_second(kind)
    return seconds * ticks + cut_off(nanoseconds, kind) * ticks // 10**9


def moment_range(kind: ColumnType) -> tuple[int, int]:
    """First and last second since 1970 that a DateTime or DateTime64 holds."""
    least, most = SECOND_RANGE[kind.name]
    return (least, min(most, _NANOSECOND_END - 1)) if ticks_per_second(kind) == 10**9 else (least, most)


def cut_off(nanoseconds: int, kind: ColumnType) -> int:
    """Nanoseconds after the second without the digits that the type does not keep."""
    digits = int(kind.parameters[0]) if kind.name == "DateTime64" else 0
    step = int(10 ** (9 - digits))
    return nanoseconds - nanoseconds % step


def _array(rule: Rule, value: object) -> list[object]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueRefused("must be a list")
    return [rule(item) for item in value]


def _map(key_rule: Rule, value_rule: Rule, value: object) -> list[tuple[object, object]]:
    if not isinstance(value, Mapping):
        raise ValueRefused("must be an object")
    return [(key_rule(key), value_rule(item)) for key, item in value.items()]


def _key_rule(kind: ColumnType) -> Rule:
    """JSON keys are always text, so a Bool key is read from its word."""
    rule = rule_of(kind)
    if kind.name != "Bool":
        return rule
    return lambda key: rule({"true": True, "false": False}.get(str(key)))


def _tuple(names: tuple[str, ...], rules: tuple[Rule, ...], value: object) -> dict[str, object]:
    if isinstance(value, Mapping):
        if set(value) != set(names):
            raise ValueRefused(f"must have exactly the fields {', '.join(names)}")
        parts: Sequence[object] = [value[name] for name in names]
    elif isinstance(value, Sequence) and not isinstance(value, str) and len(value) == len(names):
        parts = value
    else:
        raise ValueRefused(f"must be an object or a list of {len(names)} fields")
    return {name: rule(part) for name, rule, part in zip(names, rules, parts, strict=True)}
