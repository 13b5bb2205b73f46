"""Prints a file descriptor as proto2 source, so that tools which read only source can import it.

protovalidate ships the descriptor of `buf/validate/validate.proto` but not its text. Only what an importer
needs is printed: names, numbers, types, oneofs and extensions. Options are left out (the rules behind the
rules live in protovalidate itself), and `generate.py` compares the compiled result with that descriptor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

_SCALARS = {
    value: name.removeprefix("TYPE_").lower()
    for name, value in FieldDescriptorProto.Type.items()
    if name not in ("TYPE_MESSAGE", "TYPE_ENUM", "TYPE_GROUP")
}
_LABELS = {1: "optional", 2: "required", 3: "repeated"}
_LAST_FIELD_NUMBER = 536870911


def source(file: FileDescriptorProto) -> str:
    """The text of a proto2 file without options. Raises ValueError for syntax it cannot print."""
    if file.syntax not in ("", "proto2"):
        raise ValueError(f"{file.name} is not proto2")
    lines = ['syntax = "proto2";', f"package {file.package};"]
    lines += [f'import "{path}";' for path in file.dependency]
    for enum in file.enum_type:
        lines += _enum(enum)
    for message in file.message_type:
        lines += _message(message)
    for field in file.extension:
        lines += [f"extend {field.extendee} {{", *_indented([_field(field)]), "}"]
    return "\n".join(lines) + "\n"


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _enum(enum: EnumDescriptorProto) -> list[str]:
    values = [f"{value.name} = {value.number};" for value in enum.value]
    values += [f"reserved {taken.start} to {taken.end};" for taken in enum.reserved_range]
    values += [f'reserved "{name}";' for name in enum.reserved_name]
    return [f"enum {enum.name} {{", *_indented(values), "}"]


def _field(field: FieldDescriptorProto, *, in_oneof: bool = False) -> str:
    kind = _SCALARS.get(field.type, field.type_name)
    label = "" if in_oneof else f"{_LABELS[field.label]} "
    return f"{label}{kind} {field.name} = {field.number};"


def _members(message: DescriptorProto) -> Iterator[str]:
    """Fields in their order; the fields of a oneof stand together where its first one stands."""
    printed: set[int] = set()
    for field in message.field:
        if not field.HasField("oneof_index"):
            yield _field(field)
        elif field.oneof_index not in printed:
            printed.add(field.oneof_index)
            yield f"oneof {message.oneof_decl[field.oneof_index].name} {{"
            for member in message.field:
                if member.HasField("oneof_index") and member.oneof_index == field.oneof_index:
                    yield f"  {_field(member, in_oneof=True)}"
            yield "}"


def _message(message: DescriptorProto) -> list[str]:
    body: list[str] = []
    for nested in message.nested_type:
        body += _message(nested)
    for enum in message.enum_type:
        body += _enum(enum)
    body += _members(message)
    for extensions in message.extension_range:
        last = "max" if extensions.end > _LAST_FIELD_NUMBER else str(extensions.end - 1)
        body.append(f"extensions {extensions.start} to {last};")
    for taken in message.reserved_range:
        body.append(f"reserved {taken.start} to {taken.end - 1};")
    body += [f'reserved "{name}";' for name in message.reserved_name]
    return [f"message {message.name} {{", *_indented(body), "}"]
