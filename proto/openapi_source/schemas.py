"""Messages and enums as JSON Schema, the way the edge reads and prints them.

An answer has every field that knows no absence, and promises nothing that a field rule demands of callers. A
request has the rules, and none of the fields that the server sets. A message that travels both ways therefore
has two schemas, `Table` and `TableInput`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from openapi_source.comments import Comments
from openapi_source.rules import Schema, allowed_values, check_no_message_rules, keywords, must_be_there

OWN = "aidatalabs."


class Way(enum.Enum):
    """Which way a message travels."""

    REQUEST = "request"
    ANSWER = "answer"


_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    # Seconds with an `s` behind them: `60s`, `1.5s`.
    "google.protobuf.Duration": {"type": "string", "pattern": "^[0-9]{1,9}([.][0-9]{1,9})?s$"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Value": {},
    "google.protobuf.Empty": {"type": "object"},
    # Paths in lowerCamelCase, separated by commas: `displayName,config`.
    "google.protobuf.FieldMask": {"type": "string", "pattern": "^([a-zA-Z0-9.]+(,[a-zA-Z0-9.]+)*)?$"},
    "google.rpc.Status": {"$ref": "#/components/schemas/Error"},
}
_DOUBLE: Schema = {
    "description": "A number; what JSON cannot write as one comes as text.",
    "anyOf": [
        {"type": "number", "format": "double"},
        {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]},
    ],
}
_INT32: Schema = {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1}
_UINT32: Schema = {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
_INT64: Schema = {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"}
_UINT64: Schema = {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$", "minimum": 0}
_NUMBER: Schema = {"type": "number", "format": "double"}
_SCALARS: dict[int, Schema] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_DOUBLE: _NUMBER,
    FieldDescriptor.TYPE_FLOAT: _NUMBER,
}
_SET_BY_SERVER = {field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.IDENTIFIER}


class Schemas:
    """Makes schemas on demand; `components` holds those that others refer to, by name."""

    def __init__(self, comments: Comments, answers: Iterable[Descriptor]) -> None:
        """`answers` are the answers of all methods: a message in none of them needs no second name."""
        self.components: dict[str, Schema] = {}
        self._comments = comments
        self._answered = set(_reachable(answers))

    def message(self, message: Descriptor, way: Way) -> Schema:
        """A reference to the message's schema, or the schema of a well-known type itself."""
        if message.full_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[message.full_name])
        name = short_name(message.full_name)
        if way is Way.REQUEST and message.full_name in self._answered:
            name += "Input"
        if name not in self.components:
            self.components[name] = {}  # a message may hold itself
            self.components[name] = self._object(message, way)
        return {"$ref": f"#/components/schemas/{name}"}

    def body(self, message: Descriptor, in_path: Sequence[str]) -> Schema:
        """A request message as a whole body: without the fields that its path brings."""
        if not in_path:
            return self.message(message, Way.REQUEST)
        name = f"{short_name(message.full_name)}Body"
        self.components[name] = self._object(message, Way.REQUEST, in_path)
        return {"$ref": f"#/components/schemas/{name}"}

    def field(self, field: FieldDescriptor, way: Way) -> Schema:
        """The schema of a field's value, with its comment."""
        schema = self._value(field, way)
        if way is Way.REQUEST:
            schema = schema | keywords(field)
            if (values := allowed_values(field)) is not None:
                schema["enum"] = values
            if "platforms/" in schema.get("pattern", ""):
                schema["examples"] = ["platforms/demo"]
        elif set_by_server(field):
            schema["readOnly"] = True
        return schema | {"description": self._comments[field.full_name]}

    def _object(self, message: Descriptor, way: Way, without: Sequence[str] = ()) -> Schema:
        check_no_message_rules(message)
        fields = [
            field
            for field in message.fields
            if way is Way.ANSWER or not (set_by_server(field) or field.name in without)
        ]
        schema: Schema = {"type": "object", "description": self._comments[message.full_name]}
        if fields:
            schema["properties"] = {field.name: self.field(field, way) for field in fields}
        always = [field.name for field in fields if _is_there(field, way)]
        return schema | ({"required": always} if always else {})

    def _value(self, field: FieldDescriptor, way: Way) -> Schema:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value = field.message_type.fields_by_name["value"]
            return {"type": "object", "additionalProperties": self._single(value, way)}
        if field.is_repeated:
            return {"type": "array", "items": self._single(field, way)}
        return self._single(field, way)

    def _single(self, field: FieldDescriptor, way: Way) -> Schema:
        if field.message_type is not None:
            return self.message(field.message_type, way)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        if field.type not in _SCALARS:
            raise ValueError(f"{field.full_name}: its type has no JSON Schema here")
        schema = dict(_SCALARS[field.type])
        if way is Way.ANSWER and schema == _NUMBER:
            self.components["Double"] = _DOUBLE
            return {"$ref": "#/components/schemas/Double"}
        if way is Way.REQUEST and schema in (_INT64, _UINT64):
            schema["type"] = ["string", "integer"]
        return schema

    def _enum(self, kind: EnumDescriptor) -> Schema:
        name = short_name(kind.full_name)
        said = [f"- `{one.name}`: {self._comments[f'{kind.full_name}.{one.name}']}" for one in kind.values]
        self.components[name] = {
            "type": "string",
            "enum": [value.name for value in kind.values],
            "description": "\n".join([self._comments[kind.full_name], "", *said]),
        }
        return {"$ref": f"#/components/schemas/{name}"}


def short_name(full_name: str) -> str:
    """`aidatalabs.data.v1.QueryRequest` → `data.QueryRequest`: the API's own version stands in its paths."""
    return full_name.removeprefix(OWN).replace(".v1.", ".", 1)


def set_by_server(field: FieldDescriptor) -> bool:
    """Whether callers cannot set the field in a body."""
    return bool(_SET_BY_SERVER & set(_behaviours(field)))


def is_required(field: FieldDescriptor) -> bool:
    """Whether a request has to bring the field."""
    return must_be_there(field) or field_behavior_pb2.REQUIRED in _behaviours(field)


def _behaviours(field: FieldDescriptor) -> list[int]:
    return list(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def _is_there(field: FieldDescriptor, way: Way) -> bool:
    """In answers the edge prints what knows no absence, in requests callers bring what is required."""
    return not field.has_presence if way is Way.ANSWER else is_required(field)


def _reachable(messages: Iterable[Descriptor]) -> Iterable[str]:
    pending, seen = list(messages), set[str]()
    while pending:
        message = pending.pop()
        if message.full_name not in seen:
            seen.add(message.full_name)
            pending += [field.message_type for field in message.fields if field.message_type is not None]
    return seen
