"""A platform's config: free JSON of its owner, within bounds that the store and JSON clients can keep."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence

from aidatalabs_services.runtime.errors import FieldViolation

# Numbers are doubles, as in google.protobuf.Struct.
JsonValue = None | bool | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
Config = Mapping[str, JsonValue]

LONGEST_BYTES = 64 * 1024
DEEPEST = 16

_FIELD = "platform.config"


def config_text(config: Config) -> str:
    """The config as compact JSON with sorted keys: equal configs have equal texts. Numbers must be finite."""
    return json.dumps(config, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def read_config(text: str) -> dict[str, JsonValue]:
    """The config that a text of ours holds; every number becomes a double again."""
    found: dict[str, JsonValue] = json.loads(text, parse_int=float)
    return found


def config_violations(config: Config) -> list[FieldViolation]:
    """What is wrong with a config: nested over 16 deep, over 64 KiB as JSON, or a value JSON cannot hold."""
    for depth, value in _walk(config):
        if depth > DEEPEST:
            return [FieldViolation(_FIELD, f"is nested deeper than {DEEPEST}")]
        if isinstance(value, float) and not math.isfinite(value):
            return [FieldViolation(_FIELD, "holds a number that is not finite")]
        if isinstance(value, str) and "\x00" in value:
            return [FieldViolation(_FIELD, "holds a text with the character U+0000")]
    if len(config_text(config).encode()) > LONGEST_BYTES:
        return [FieldViolation(_FIELD, f"is larger than {LONGEST_BYTES} bytes as JSON")]
    return []


def _walk(config: Config) -> Iterator[tuple[int, JsonValue]]:
    """Every value and key with the number of objects and lists around it, without recursion."""
    waiting: list[tuple[int, JsonValue]] = [(1, config)]
    while waiting:
        depth, value = waiting.pop()
        yield depth, value
        if isinstance(value, Mapping):
            yield from ((depth, key) for key in value)
            waiting.extend((depth + 1, part) for part in value.values() if _may_hold(part))
            yield from ((depth, part) for part in value.values() if not _may_hold(part))
        elif isinstance(value, Sequence) and not isinstance(value, str):
            waiting.extend((depth + 1, part) for part in value if _may_hold(part))
            yield from ((depth, part) for part in value if not _may_hold(part))


def _may_hold(value: JsonValue) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str)
