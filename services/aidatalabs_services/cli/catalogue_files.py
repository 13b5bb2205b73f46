"""Definitions as a YAML file that people keep beside their code, and back.

Nothing of YAML but maps, lists and plain text is read: no tag, no anchor and no second document, so that a
file can neither make objects nor grow while it is read. Every scalar is text; `no` is the word no.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from google.protobuf.message import Message

from aidatalabs.agent.v1 import catalogue_pb2 as pb

FORMAT = "aidatalabs-catalogue/1"
_MOST_CHARACTERS = 1_000_000
_DEEPEST = 10
_MOST_NODES = 100_000
_HEAD = """\
# What people say of this platform's data: synonyms, roles, units, keys, metrics, dimensions.
# The format: docs/catalogue.md. Brought back with: aidatalabs catalogue import FILE
"""
_NAMED: dict[str, str] = {"tables": "table", "columns": "column", "metrics": "name", "dimensions": "name"}
"""Lists that are maps in the file, and the field that is the key there."""


class FileNotReadable(Exception):
    """The file is no catalogue; the text says where and why."""


@dataclass(frozen=True)
class _Node:
    """A part of a file: text, a list of nodes or a map of them, and the line it begins on."""

    value: str | list[_Node] | dict[str, _Node]
    line: int

    @property
    def kind(self) -> str:
        """What it is, in a word."""
        return {str: "text", list: "a list", dict: "a map"}[type(self.value)]


def read_catalogue(text: str) -> pb.Definitions:
    """The definitions of a file. Raises FileNotReadable."""
    root = _parsed(text)
    if not isinstance(root.value, dict):
        raise FileNotReadable("the file holds no map; see docs/catalogue.md")
    fields = dict(root.value)
    kind = fields.pop("format", None)
    if kind is None or kind.value != FORMAT:
        raise FileNotReadable(f"line {root.line}: `format: {FORMAT}` is missing")
    definitions = pb.Definitions()
    _fill(definitions, fields, "")
    return definitions


def write_catalogue(definitions: pb.Definitions) -> str:
    """The file of definitions; read back it is the same definitions."""
    content = {"format": FORMAT, **_plain(definitions)}
    body: str = yaml.safe_dump(
        content, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None
    )
    return _HEAD + body


def _parsed(text: str) -> _Node:
    if len(text) > _MOST_CHARACTERS:
        raise FileNotReadable(f"the file has more than {_MOST_CHARACTERS:,} characters")
    try:
        return _Builder(yaml.parse(text, Loader=yaml.SafeLoader)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise FileNotReadable(f"{where}{error.problem or 'this is no YAML'}") from None
    except yaml.YAMLError:
        raise FileNotReadable("the file holds characters that YAML has not") from None


class _Builder:
    """Builds nodes out of the events of a parser, counting as it goes."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._nodes = 0

    def document(self) -> _Node:
        """The one document of the file."""
        root: _Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise FileNotReadable(f"{_at(event)}: a second document begins; a file has one")
                root = self._node(next(self._events), 0)
        if root is None:
            raise FileNotReadable("the file is empty")
        return root

    def _node(self, event: yaml.Event, depth: int) -> _Node:
        self._nodes += 1
        if self._nodes > _MOST_NODES or depth > _DEEPEST:
            limit = f"{_MOST_NODES:,} parts" if depth <= _DEEPEST else f"{_DEEPEST} levels"
            raise FileNotReadable(f"{_at(event)}: a file has at most {limit}")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise FileNotReadable(f"{_at(event)}: anchors and aliases are not read; write it out")
        if getattr(event, "tag", None) is not None:
            raise FileNotReadable(f"{_at(event)}: tags are not read; write plain text")
        line = _line(event)
        if isinstance(event, yaml.ScalarEvent):
            return _Node(str(event.value), line)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(inner := next(self._events), yaml.SequenceEndEvent):
                items.append(self._node(inner, depth + 1))
            return _Node(items, line)
        return _Node(self._map(depth), line)

    def _map(self, depth: int) -> dict[str, _Node]:
        found: dict[str, _Node] = {}
        while not isinstance(inner := next(self._events), yaml.MappingEndEvent):
            key = self._node(inner, depth + 1)
            if not isinstance(key.value, str):
                raise FileNotReadable(f"line {key.line}: a key is text")
            if key.value in found:
                raise FileNotReadable(f"line {key.line}: {key.value!r} is there twice")
            found[key.value] = self._node(next(self._events), depth + 1)
        return found


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 0


def _at(event: yaml.Event) -> str:
    return f"line {_line(event)}"


def _fill(message: Message, fields: Mapping[str, _Node], path: str) -> None:
    """Puts the fields of a map into a message."""
    known = {field.name: field for field in message.DESCRIPTOR.fields}
    for name, node in fields.items():
        field = known.get(name)
        where = f"{path}.{name}" if path else name
        if field is None or name == _KEYS.get(message.DESCRIPTOR.name):
            names = ", ".join(n for n in known if n != _KEYS.get(message.DESCRIPTOR.name))
            raise FileNotReadable(f"line {node.line}: {where} is not known; there are {names}")
        if node.value == "":
            continue
        if field.is_repeated:
            _fill_list(message, field, node, where)
        else:
            setattr(message, name, _scalar(field, node, where))


_KEYS = {
    "TableDefinition": "table",
    "ColumnDefinition": "column",
    "MetricDefinition": "name",
    "DimensionDefinition": "name",
}


def _fill_list(message: Message, field: Any, node: _Node, where: str) -> None:
    held = getattr(message, field.name)
    if field.name == "values" and field.message_type is not None:
        for key, words in _map_of(node, where).items():
            _, items = f"{where}.{key}", _list_of(words, f"{where}.{key}")
            held.add(value=key, synonyms=[_text(one, f"{where}.{key}") for one in items])
    elif field.name in _NAMED and field.message_type is not None:
        for key, inner in _map_of(node, where).items():
            made = held.add(**{_NAMED[field.name]: key})
            _fill(made, _map_of(inner, f"{where}.{key}"), f"{where}.{key}")
    elif field.message_type is not None:
        for number, inner in enumerate(_list_of(node, where)):
            _fill(held.add(), _map_of(inner, f"{where}[{number}]"), f"{where}[{number}]")
    else:
        held.extend(_text(one, where) for one in _list_of(node, where))


def _scalar(field: Any, node: _Node, where: str) -> str | bool | int:
    text = _text(node, where)
    if field.enum_type is not None:
        choice = field.enum_type.values_by_name.get(text.upper())
        if choice is None or choice.number == 0:
            names = ", ".join(value.name.lower() for value in field.enum_type.values if value.number)
            raise FileNotReadable(f"line {node.line}: {where} is none of {names}")
        return int(choice.number)
    if field.type == field.TYPE_BOOL:
        if text.lower() not in ("true", "false", "yes", "no"):
            raise FileNotReadable(f"line {node.line}: {where} is true or false")
        return text.lower() in ("true", "yes")
    return text


def _text(node: _Node, where: str) -> str:
    if not isinstance(node.value, str):
        raise FileNotReadable(f"line {node.line}: {where} is {node.kind}; text is wanted")
    return node.value


def _list_of(node: _Node, where: str) -> list[_Node]:
    if isinstance(node.value, str):
        return [node] if node.value else []
    if not isinstance(node.value, list):
        raise FileNotReadable(f"line {node.line}: {where} is {node.kind}; a list is wanted")
    return node.value


def _map_of(node: _Node, where: str) -> dict[str, _Node]:
    if node.value == "":
        return {}
    if not isinstance(node.value, dict):
        raise FileNotReadable(f"line {node.line}: {where} is {node.kind}; a map is wanted")
    return node.value


def _plain(message: Message) -> dict[str, Any]:
    """A message as maps, lists and text, without what is empty."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name == _KEYS.get(message.DESCRIPTOR.name):
            continue
        if field.name == "values" and field.message_type is not None:
            found[field.name] = {one.value: list(one.synonyms) for one in value}
        elif field.name in _NAMED and field.message_type is not None:
            found[field.name] = {getattr(one, _NAMED[field.name]): _plain(one) for one in value}
        elif field.message_type is not None:
            found[field.name] = [_plain(one) for one in value]
        elif field.is_repeated:
            found[field.name] = list(value)
        elif field.enum_type is not None:
            found[field.name] = field.enum_type.values_by_number[value].name.lower()
        else:
            found[field.name] = value
    return found
