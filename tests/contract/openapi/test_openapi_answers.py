"""What the edge prints fits the document: messages of any content, and nothing that is no such message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format, message_factory, struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aidatalabs_services.identity.adapters.http_errors import error_response
from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest, Overloaded
from tests.contract.openapi.described import DOCUMENT, METHODS, SCHEMAS, rest_bindings, validator

OUTPUTS = {
    method.output_type.full_name: method.output_type
    for method in METHODS
    if rest_bindings(method) and method.output_type.full_name.startswith("aidatalabs.")
}
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_STRING: st.text(max_size=8),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=8),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_DOUBLE: st.floats(),
}
PLAIN: dict[int, Any] = {
    FieldDescriptor.TYPE_BOOL: True,
    FieldDescriptor.TYPE_STRING: "text",
    FieldDescriptor.TYPE_BYTES: b"bytes",
    FieldDescriptor.TYPE_INT32: 7,
    FieldDescriptor.TYPE_INT64: 7,
    FieldDescriptor.TYPE_UINT64: 7,
    FieldDescriptor.TYPE_DOUBLE: 1.5,
}
INFO = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "QUERY_FAILED", "domain": "aidatalabs"}
WHOLE: dict[str, Any] = {
    "google.protobuf.Timestamp": "2026-01-02T03:04:05.678Z",
    "google.protobuf.Struct": {"a": [1, None, "x"]},
    "google.protobuf.ListValue": ["x", None, {"a": True}],
    "google.rpc.Status": {"code": 3, "message": "No.", "details": [INFO]},
}
WELL_KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "google.protobuf.Timestamp": st.datetimes().map(lambda time: f"{time.isoformat()}Z"),
    "google.protobuf.Struct": st.dictionaries(st.text(max_size=3), JSON, max_size=2),
    "google.protobuf.ListValue": st.lists(JSON, max_size=3),
    "google.rpc.Status": st.text().map(lambda text: WHOLE["google.rpc.Status"] | {"message": text}),
}


@st.composite
def messages(draw: st.DrawFn, kind: Descriptor, within: tuple[str, ...] = ()) -> Message:
    """A message of this type with any fields and values; none of the types it is `within` again."""
    message = message_factory.GetMessageClass(kind)()
    if kind.full_name in WELL_KNOWN:
        json_format.Parse(json.dumps(draw(WELL_KNOWN[kind.full_name])), message)
        return message
    for field in kind.fields:
        if _again(field, (*within, kind.full_name)):
            continue
        if draw(st.booleans()):
            # Drawn before it is set: protobuf must not see what hypothesis raises.
            values = draw(st.lists(value_of(field, (*within, kind.full_name)), min_size=1, max_size=2))
            _set(message, field, values)
    return message


def _again(field: FieldDescriptor, within: tuple[str, ...]) -> bool:
    """True for a field whose type is being built already: plans hold plans, numbers hold numbers."""
    return field.message_type is not None and field.message_type.full_name in within


def value_of(field: FieldDescriptor, within: tuple[str, ...] = ()) -> st.SearchStrategy[Any]:
    """Values of a field; of a map, values of its values."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return SCALARS[field.message_type.fields_by_name["value"].type]
    if field.message_type is not None:
        return messages(field.message_type, within)
    if field.enum_type is not None:
        return st.sampled_from([one.number for one in field.enum_type.values])
    return SCALARS[field.type]


def whole(kind: Descriptor, within: tuple[str, ...] = ()) -> Message:
    """A message of this type with every field set but those of the types it is `within`."""
    message = message_factory.GetMessageClass(kind)()
    if kind.full_name in WHOLE:
        json_format.ParseDict(WHOLE[kind.full_name], message)
        return message
    within = (*within, kind.full_name)
    for field in kind.fields:
        entry = field.message_type
        if _again(field, within):
            continue
        if entry is not None and entry.GetOptions().map_entry:
            _set(message, field, [PLAIN[entry.fields_by_name["value"].type]])
        elif entry is not None:
            _set(message, field, [whole(entry, within)])
        else:
            _set(message, field, [1 if field.enum_type is not None else PLAIN[field.type]])
    return message


def _set(message: Any, field: FieldDescriptor, values: list[Any]) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        getattr(message, field.name).update({str(index): value for index, value in enumerate(values)})
    elif field.is_repeated:
        getattr(message, field.name).extend(values)
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(values[0])
    else:
        setattr(message, field.name, values[0])


def printed(message: Message) -> Any:
    """As the edge prints it."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def schema_of(kind: Descriptor) -> dict[str, Any]:
    name = kind.full_name.removeprefix("aidatalabs.").replace(".v1.", ".", 1)
    assert name in SCHEMAS
    return {"$ref": f"#/components/schemas/{name}"}


@pytest.mark.parametrize("kind", OUTPUTS.values(), ids=OUTPUTS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_answer_fits_its_schema(kind: Descriptor, data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    assert [error.message for error in validator(schema_of(kind)).iter_errors(printed(message))] == []


@pytest.mark.parametrize("kind", OUTPUTS.values(), ids=OUTPUTS)
def test_what_is_no_such_answer_does_not_fit(kind: Descriptor) -> None:
    check = validator(schema_of(kind))
    body = printed(whole(kind))
    optional = {field.name for field in kind.fields if field.has_presence}
    assert [error.message for error in check.iter_errors(body)] == []
    assert not check.is_valid(body | {"unknown": 1})
    for name, value in body.items():
        without = {key: kept for key, kept in body.items() if key != name}
        assert check.is_valid(without) == (name in optional)
        assert not check.is_valid(body | {name: "x" if isinstance(value, list) else [value]}), name


def test_a_64_bit_integer_is_text_and_a_number_may_be_a_word() -> None:
    kind = OUTPUTS["aidatalabs.data.v1.QueryResponse"]
    message = message_factory.GetMessageClass(kind)()
    message.statistics.elapsed_seconds = float("nan")  # type: ignore[attr-defined]
    message.statistics.read_rows = 2**62  # type: ignore[attr-defined]
    body = printed(message)
    figures = {"elapsed_seconds": "NaN", "read_rows": str(2**62), "read_bytes": "0"}
    assert body["statistics"].items() >= figures.items()
    check = validator(schema_of(kind))
    assert check.is_valid(body)
    body["statistics"]["read_rows"] = 2**62
    assert not check.is_valid(body)


def test_rows_hold_any_json() -> None:
    kind = OUTPUTS["aidatalabs.data.v1.QueryResponse"]
    message = message_factory.GetMessageClass(kind)()
    row = message.result.rows.add()  # type: ignore[attr-defined]
    row.values.extend(
        [struct_pb2.Value(null_value=struct_pb2.NULL_VALUE), struct_pb2.Value(number_value=1.5)]
    )
    assert validator(schema_of(kind)).is_valid(printed(message))


@pytest.mark.parametrize(
    "error",
    [
        Overloaded("Wait.", retry_after_seconds=1.5),
        InvalidRequest("No.", violations=[FieldViolation("events[3].value", "is not finite")]),
    ],
    ids=lambda error: error.reason,
)
def test_a_refusal_has_the_one_shape(error: Any) -> None:
    text = error_response(error, "id").text
    assert text is not None
    body = json.loads(text)
    check = validator({"$ref": "#/components/schemas/Error"})
    assert [one.message for one in check.iter_errors(body)] == []
    assert not check.is_valid(body | {"details": []})
    body["details"][0]["reason"] = "NO_SUCH_REASON"
    assert not check.is_valid(body)


@pytest.mark.parametrize("name", DOCUMENT["components"]["examples"])
def test_every_example_has_the_shape_of_a_refusal(name: str) -> None:
    value = DOCUMENT["components"]["examples"][name]["value"]
    assert validator({"$ref": "#/components/schemas/Error"}).is_valid(value)
    assert value["details"][0]["reason"] == name
