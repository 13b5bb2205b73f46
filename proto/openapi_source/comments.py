"""The contract's comments by full name, for everything that a reader of the API meets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

_Path = tuple[int, ...]

# Field numbers in descriptor.proto, of which the paths of source locations are made.
_FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE = 4, 5, 6
_MESSAGE_FIELD, _MESSAGE_NESTED, _MESSAGE_ENUM = 2, 3, 4
_ENUM_VALUE = 2
_SERVICE_METHOD = 2


def collect(files: Iterable[FileDescriptorProto]) -> dict[str, str]:
    """Comments by full name; an enum's value is named below its enum (`a.b.Color.RED`).

    Lines of a paragraph are joined; indented lines stay as they are.
    """
    found: dict[str, str] = {}
    for file in files:
        texts = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
        for name, path in _places(file):
            if text := flowing(texts.get(path, "")):
                found[name] = text
    return found


def flowing(comment: str) -> str:
    """A comment without its line breaks, other than those before indented lines and empty ones."""
    lines = [line.removeprefix(" ").rstrip() for line in comment.strip("\n").split("\n")]
    text = ""
    for line in lines:
        joined = text and line and not line.startswith(" ") and not text.endswith("\n")
        text += (" " if joined else "") + line if joined or not text else f"\n{line}"
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def first_sentence(text: str) -> str:
    """Up to the first full stop or colon that ends a thought, without it."""
    return re.split(r"[.:;](?:\s|$)", text, maxsplit=1)[0].strip()


def _places(file: FileDescriptorProto) -> Iterator[tuple[str, _Path]]:
    for index, message in enumerate(file.message_type):
        yield from _in_message(message, f"{file.package}.{message.name}", (_FILE_MESSAGE, index))
    for index, enum in enumerate(file.enum_type):
        yield from _in_enum(enum, f"{file.package}.{enum.name}", (_FILE_ENUM, index))
    for index, service in enumerate(file.service):
        name = f"{file.package}.{service.name}"
        yield name, (_FILE_SERVICE, index)
        for number, method in enumerate(service.method):
            yield f"{name}.{method.name}", (_FILE_SERVICE, index, _SERVICE_METHOD, number)


def _in_message(message: DescriptorProto, name: str, path: _Path) -> Iterator[tuple[str, _Path]]:
    yield name, path
    for index, field in enumerate(message.field):
        yield f"{name}.{field.name}", (*path, _MESSAGE_FIELD, index)
    for index, nested in enumerate(message.nested_type):
        yield from _in_message(nested, f"{name}.{nested.name}", (*path, _MESSAGE_NESTED, index))
    for index, enum in enumerate(message.enum_type):
        yield from _in_enum(enum, f"{name}.{enum.name}", (*path, _MESSAGE_ENUM, index))


def _in_enum(enum: EnumDescriptorProto, name: str, path: _Path) -> Iterator[tuple[str, _Path]]:
    yield name, path
    for index, value in enumerate(enum.value):
        yield f"{name}.{value.name}", (*path, _ENUM_VALUE, index)


Comments = Mapping[str, str]
"""What `collect` found."""
