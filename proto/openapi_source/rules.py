"""Field rules of buf.validate as JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

Schema = dict[str, Any]

_Keyword = Callable[[Any], Schema]


def _as(keyword: str) -> _Keyword:
    return lambda value: {keyword: list(value) if keyword == "enum" else value}


_NUMBERS: Mapping[str, _Keyword] = {
    "gte": _as("minimum"),
    "lte": _as("maximum"),
    "gt": _as("exclusiveMinimum"),
    "lt": _as("exclusiveMaximum"),
}
_KEYWORDS: Mapping[str, Mapping[str, _Keyword]] = {
    "string": {
        "pattern": _as("pattern"),
        "min_len": _as("minLength"),
        "max_len": _as("maxLength"),
        # A character has at least one byte: a bound that every text within the rule keeps.
        "max_bytes": _as("maxLength"),
        "in": _as("enum"),
    },
    "repeated": {
        "min_items": _as("minItems"),
        "max_items": _as("maxItems"),
        "unique": _as("uniqueItems"),
    },
    "map": {"min_pairs": _as("minProperties"), "max_pairs": _as("maxProperties")},
    **dict.fromkeys(("int32", "uint32", "float", "double"), _NUMBERS),
}
# Which values of an enum a field takes: `allowed_values` reads them.
_ENUM_RULES = {"defined_only", "in", "not_in"}


def check_no_message_rules(message: Descriptor) -> None:
    """Raises ValueError for rules over a whole message, which JSON Schema cannot say."""
    if message.GetOptions().HasExtension(validate_pb2.message):
        raise ValueError(f"{message.full_name}: rules over a message have no JSON Schema here")


def keywords(field: FieldDescriptor) -> Schema:
    """The JSON Schema keywords that say what the field's rules say.

    Raises ValueError for a rule that has no keyword here.
    """
    found: Schema = {}
    kind, rules = _typed_rules(field)
    for rule, value in rules:
        if kind == "enum" and rule in _ENUM_RULES:
            continue
        keyword = _KEYWORDS.get(kind, {}).get(rule)
        if keyword is None:
            raise ValueError(f"{field.full_name}: the rule {kind}.{rule} has no JSON Schema here")
        found |= keyword(value)
    return found


def allowed_values(field: FieldDescriptor) -> list[str] | None:
    """Names of the enum's values that the field takes; None where it takes all."""
    kind, listed = _typed_rules(field)
    rules = dict(listed)
    if kind != "enum" or not ({"in", "not_in"} & rules.keys()) or field.enum_type is None:
        return None
    return [
        value.name
        for value in field.enum_type.values
        if value.number in rules.get("in", [value.number]) and value.number not in rules.get("not_in", [])
    ]


def must_be_there(field: FieldDescriptor) -> bool:
    """Whether a request without the field is refused: by `required`, or because its zero breaks a rule."""
    if _rules_of(field).required:
        return True
    kind, listed = _typed_rules(field)
    rules = dict(listed)
    if field.has_presence:
        return False
    if kind == "string":
        return rules.get("min_len", 0) > 0 or not re.search(rules.get("pattern", ""), "")
    if kind == "enum":
        return 0 in rules.get("not_in", []) or 0 not in rules.get("in", [0])
    return bool(rules.get("min_items", 0) or rules.get("min_pairs", 0) or rules.get("gt", -1) >= 0)


def _rules_of(field: FieldDescriptor) -> Any:
    return field.GetOptions().Extensions[validate_pb2.field]


def _typed_rules(field: FieldDescriptor) -> tuple[str, list[tuple[str, Any]]]:
    """The type that the rules are for, and each rule with its value."""
    rules = _rules_of(field)
    beside = {one.name for one, _ in rules.ListFields()} - {"required", rules.WhichOneof("type")}
    if beside:
        raise ValueError(f"{field.full_name}: the rules {sorted(beside)} have no JSON Schema here")
    kind = rules.WhichOneof("type") or ""
    return kind, [(one.name, value) for one, value in (getattr(rules, kind).ListFields() if kind else ())]
