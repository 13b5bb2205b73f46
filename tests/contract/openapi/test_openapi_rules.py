"""Field rules: for every field with a rule, the document takes what the service takes and no more."""

from __future__ import annotations

import uuid
from typing import Any

import protovalidate
import pytest
from buf.validate import validate_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from tests.contract.openapi.described import (
    METHODS,
    OPERATIONS,
    SCHEMAS,
    operation_id,
    rest_bindings,
    validator,
)

BOUNDS = (62, 63, 64, 65, 100, 101, 128, 129, 200, 201, 255, 256, 1000, 1001, 1024, 1025, 2000, 2001, 10_001)
TEXTS = (
    "0" * 32,
    *("", "a", "A", "a-", "a b", "a\x01b", "é", "events", "_x", "1x", "a.b:c_d-9", "allUsers", "platforms/"),
    *(
        "platforms/demo",
        "platforms/Demo",
        "platforms/demo/x",
        "xplatforms/demo",
        "platforms/a-b",
        "platforms/b-",
    ),
    *(f"users/{uuid.UUID(int=7)}", "users/7", *("n" * size for size in BOUNDS)),
)
NUMBERS = (-(2**31), -1, 0, 1, 1000, 9_999, 10_000, 10_001, 2**31 - 1)
COUNTS = (0, 1, 10, 11, 16, 17, 1000, 1001)


def requests() -> dict[str, Descriptor]:
    """Every message that a caller sends over REST, by name in the document."""
    pending = [method.input_type for method in METHODS if rest_bindings(method)]
    found: dict[str, Descriptor] = {}
    while pending:
        message = pending.pop()
        name = message.full_name.removeprefix("aidatalabs.").replace(".v1.", ".", 1)
        if message.full_name.startswith("aidatalabs.") and name not in found:
            found[name] = message
            pending += [field.message_type for field in message.fields if field.message_type is not None]
    return found


def input_schema(name: str) -> dict[str, Any] | None:
    return next((SCHEMAS[one] for one in (f"{name}Input", f"{name}Body", name) if one in SCHEMAS), None)


BODIES = {name: message for name, message in requests().items() if input_schema(name)}
RULED = [
    (name, field)
    for name, message in BODIES.items()
    for field in message.fields
    if field.GetOptions().HasExtension(validate_pb2.field)
    and field.name in (input_schema(name) or {}).get("properties", {})
]


def candidates(field: FieldDescriptor) -> list[Any]:
    if field.is_repeated:
        one = "x" if field.message_type is None else {}
        return [[one] * count for count in COUNTS]
    if field.enum_type is not None:
        return [value.name for value in field.enum_type.values]
    if field.type == FieldDescriptor.TYPE_BOOL:
        return [False, True]
    return list(TEXTS if field.type == FieldDescriptor.TYPE_STRING else NUMBERS)


RULES = protovalidate.Validator()


def refused_by_rules(message: Message, name: str) -> bool:
    """Whether the service refuses this very field."""
    found = RULES.collect_violations(message)
    paths = [[element.field_name for element in one.proto.field.elements] for one in found if one.proto.field]
    return [name] in paths


def holding(message: Descriptor, field: FieldDescriptor, value: Any) -> Message:
    made = message_factory.GetMessageClass(message)()
    if field.is_repeated:
        repeated = getattr(made, field.name)
        for one in value:
            repeated.append(one) if field.message_type is None else repeated.add()
    elif field.enum_type is not None:
        setattr(made, field.name, field.enum_type.values_by_name[value].number)
    else:
        setattr(made, field.name, value)
    return made


@pytest.mark.parametrize(("name", "field"), RULED, ids=lambda one: getattr(one, "full_name", ""))
def test_a_field_takes_what_the_service_takes(name: str, field: FieldDescriptor) -> None:
    schema = input_schema(name)
    assert schema is not None
    if field.message_type is not None and not field.is_repeated:
        assert refused_by_rules(message_factory.GetMessageClass(BODIES[name])(), field.name)
        assert field.name in schema["required"]
        return
    described = {key: value for key, value in schema["properties"][field.name].items() if key != "items"}
    check = validator(described)
    verdicts = [
        (check.is_valid(value), not refused_by_rules(holding(BODIES[name], field, value), field.name))
        for value in candidates(field)
    ]
    assert [mine for mine, _ in verdicts] == [theirs for _, theirs in verdicts]
    assert any(mine for mine, _ in verdicts)
    empty = message_factory.GetMessageClass(BODIES[name])()
    if refused_by_rules(empty, field.name):
        assert field.name in schema["required"]


@pytest.mark.parametrize(
    "method", [one for one in METHODS if rest_bindings(one)], ids=lambda one: one.full_name
)
def test_parameters_follow_the_rules_of_their_fields(method: Any) -> None:
    for parameter in OPERATIONS[operation_id(method)].get("parameters", ()):
        field = method.input_type.fields_by_name.get(parameter["name"])
        if parameter["in"] == "path" or field is None or field.message_type is not None:
            continue
        check = validator(parameter["schema"])
        for value in candidates(field):
            taken = not refused_by_rules(holding(method.input_type, field, value), field.name)
            assert check.is_valid(value) == taken, (parameter["name"], value)
        empty = message_factory.GetMessageClass(method.input_type)()
        assert parameter.get("required", False) == refused_by_rules(empty, field.name)


@pytest.mark.parametrize(
    ("operation", "good", "bad"),
    [
        ("PlatformService_GetPlatform", ("demo", "a-b", "x1"), ("Demo", "", "platforms/demo", "a-", "1a")),
        ("PlatformService_UpdatePlatform", ("demo", "a-b"), ("Demo", "", "platforms/demo")),
        ("DataService_GetTable", ("events", "_x"), ("1x", "", "a b")),
    ],
)
def test_a_path_takes_an_id_alone(operation: str, good: tuple[str, ...], bad: tuple[str, ...]) -> None:
    (parameter,) = [one for one in OPERATIONS[operation]["parameters"] if one["in"] == "path"]
    check = validator(parameter["schema"])
    assert [value for value in good if not check.is_valid(value)] == []
    assert [value for value in bad if check.is_valid(value)] == []
