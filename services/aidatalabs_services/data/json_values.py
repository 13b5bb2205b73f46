"""JSON objects as a JSON column takes them: their rules, and their text for the engine.

The engine keeps nested objects as dotted paths, so `{"a.b": 1, "a": {"b": 2}}` names one path twice and would
fail the whole block it is in, and `{"a": 1, "a.b": 2}` would read back without its `a`; such objects are
refused here instead.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

# Limits of one object, from the contract.
MAX_JSON_BYTES = 64 * 1024
MAX_JSON_DEPTH = 16
MAX_KEY_BYTES = 256

# Up to here every whole number is a double of its own. 2^53 is not: 2^53 + 1 has become 2^53 when we see it.
EXACT_LIMIT = 2**53 - 1

_encode = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
).encode


class JsonRefused(Exception):
    """The object breaks a rule; the text says which one and where."""


def json_text(value: Mapping[str, object]) -> str:
    """The text of one object, whole numbers without a point. Raises JsonRefused.

    Rules: at most 64 KiB as text, nested at most 16 deep (the object itself is the first level), keys of at
    most 256 bytes, finite numbers below ±2^53, no two keys that become one dotted path, and no
    value at a path that leads on to another.
    """
    dotted: list[str] = []
    plain = _plain(value, 1, dotted)
    if dotted:
        _refuse_equal_paths(value)
    try:
        text = _encode(plain)
        size = len(text.encode())
    except UnicodeEncodeError:
        raise JsonRefused("holds text that is not valid Unicode") from None
    if size > MAX_JSON_BYTES:
        raise JsonRefused(f"is {size} bytes as JSON; the limit is {MAX_JSON_BYTES}")
    return text


def _plain(value: object, depth: int, dotted: list[str]) -> object:
    """A copy with whole doubles as integers; notes keys with a dot in `dotted`."""
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if depth > MAX_JSON_DEPTH:
        raise JsonRefused(f"is nested deeper than {MAX_JSON_DEPTH} levels")
    if isinstance(value, Mapping):
        copy: dict[str, object] = {}
        for key, item in value.items():
            if len(key) > MAX_KEY_BYTES // 4 and len(key.encode("utf-8", "replace")) > MAX_KEY_BYTES:
                raise JsonRefused(f"has a key longer than {MAX_KEY_BYTES} bytes")
            if "." in key:
                dotted.append(key)
            copy[key] = _plain(item, depth + 1, dotted)
        return copy
    if isinstance(value, Sequence):
        return [_plain(item, depth + 1, dotted) for item in value]
    raise JsonRefused("holds a value that JSON does not have")


def _number(value: float) -> float:
    if not math.isfinite(value):
        raise JsonRefused("holds a number that is not finite")
    if abs(value) > EXACT_LIMIT:
        raise JsonRefused("holds a number of ±2^53 or beyond; send it as a string")
    return int(value) if value == int(value) else value


def _refuse_equal_paths(value: object) -> None:
    """Raises JsonRefused where keys of one object, or of one in a list, become paths that cannot be kept."""
    seen: set[str] = set()
    stack: list[tuple[str, object]] = [("", value)]
    while stack:
        prefix, item = stack.pop()
        if isinstance(item, Mapping):
            stack.extend(
                (f"{prefix}{key}" if item is value else f"{prefix}.{key}", part) for key, part in item.items()
            )
        elif item is not None:
            if prefix in seen:
                raise JsonRefused("names one dotted path twice")
            seen.add(prefix)
            if isinstance(item, Sequence) and not isinstance(item, str):
                _refuse_in_list(item)
    for path in seen:
        for end, sign in enumerate(path):
            if sign == "." and path[:end] in seen:
                raise JsonRefused("has a value at a dotted path and others below it")


def _refuse_in_list(items: Sequence[object]) -> None:
    for item in items:
        if isinstance(item, Mapping):
            _refuse_equal_paths(item)
        elif isinstance(item, Sequence) and not isinstance(item, str):
            _refuse_in_list(item)
