"""The JSON type of a column: its typed paths and how many paths and types it keeps apart from them.

A `JSON(…)` type is a ColumnType whose `names` are the typed paths and whose `inner` are their types. The
block's type must equal the table's to the letter of its meaning: the engine casts any other one row by row,
about ten times slower, without a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from aidatalabs_services.data.column_types import ColumnType, parse_type
from aidatalabs_services.data.errors import TypeNotAllowed

DEFAULT_PATHS = 1024
DEFAULT_TYPES = 32
MOST_PATHS = 10_000
MOST_TYPES = 254
INT64, UINT64 = ColumnType("Int64"), ColumnType("UInt64")
FLOAT64, BOOL, STRING = ColumnType("Float64"), ColumnType("Bool"), ColumnType("String")
ANY = ColumnType("Dynamic")

_LIMITS = {"max_dynamic_types": MOST_TYPES, "max_dynamic_paths": MOST_PATHS}

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_PATH = re.compile(
    r"\s*((?:`(?:[^`\\]|\\.|``)*`|[a-zA-Z_][a-zA-Z0-9_]*)(?:\.(?:`(?:[^`\\]|\\.|``)*`|[a-zA-Z_][a-zA-Z0-9_]*))*)\s+"
)
_STEP = re.compile(r"`((?:[^`\\]|\\.|``)*)`|([a-zA-Z_][a-zA-Z0-9_]*)")
_LIMIT = re.compile(r"\s*(max_dynamic_types|max_dynamic_paths)\s*=\s*([0-9]{1,6})\s*\Z")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}


@lru_cache(maxsize=4096)
def parse_column_type(text: str) -> ColumnType:
    """A type of the allow-list, or JSON with typed paths and limits. Raises TypeNotAllowed."""
    stripped = text.strip()
    if not stripped.startswith("JSON") or not stripped[4:].lstrip().startswith("("):
        return parse_type(text)
    body = stripped[4:].lstrip()
    if not body.endswith(")"):
        raise _refused(text)
    limits: dict[str, int] = {}
    typed: dict[str, ColumnType] = {}
    for argument in _arguments(body[1:-1]):
        if found := _LIMIT.match(argument):
            if found[1] in limits or int(found[2]) > _LIMITS[found[1]]:
                raise _refused(text)
            limits[found[1]] = int(found[2])
            continue
        path, kind = _typed_path(argument, text)
        if path in typed:
            raise _refused(text)
        typed[path] = kind
    return json_type(
        typed,
        max_dynamic_types=limits.get("max_dynamic_types", DEFAULT_TYPES),
        max_dynamic_paths=limits.get("max_dynamic_paths", DEFAULT_PATHS),
    )


def json_type(
    typed: dict[str, ColumnType],
    *,
    max_dynamic_types: int = DEFAULT_TYPES,
    max_dynamic_paths: int = DEFAULT_PATHS,
) -> ColumnType:
    """A JSON type; paths in the order in which the wire has them (by their UTF-8 bytes)."""
    paths = tuple(sorted(typed, key=str.encode))
    parameters = [] if max_dynamic_types == DEFAULT_TYPES else [f"max_dynamic_types={max_dynamic_types}"]
    parameters += [] if max_dynamic_paths == DEFAULT_PATHS else [f"max_dynamic_paths={max_dynamic_paths}"]
    return ColumnType("JSON", tuple(typed[path] for path in paths), tuple(parameters), paths)


def limits_of(kind: ColumnType) -> tuple[int, int]:
    """max_dynamic_types and max_dynamic_paths of a JSON type."""
    found = dict(parameter.split("=") for parameter in kind.parameters)
    return (
        int(found.get("max_dynamic_types", DEFAULT_TYPES)),
        int(found.get("max_dynamic_paths", DEFAULT_PATHS)),
    )


def nested_type(kind: ColumnType) -> ColumnType:
    """The type of objects inside a list at a path of this JSON: half the types, a quarter of the paths."""
    types, paths = limits_of(kind)
    return ColumnType(
        "JSON", parameters=(f"max_dynamic_types={types // 2}", f"max_dynamic_paths={paths // 4}")
    )


def type_text(kind: ColumnType) -> str:
    """The type as the engine writes it, JSON with its limits first and its paths in backticks if needed."""
    if kind.name != "JSON":
        if not kind.inner:
            return str(kind)
        inner = [type_text(each) for each in kind.inner]
        if kind.names:
            inner = [f"{name} {each}" for name, each in zip(kind.names, inner, strict=True)]
        return f"{kind.name}({', '.join([*inner, *kind.parameters])})"
    typed = [
        f"{_quoted(path)} {type_text(inner)}" for path, inner in zip(kind.names, kind.inner, strict=True)
    ]
    arguments = ", ".join([*kind.parameters, *typed])
    return f"JSON({arguments})" if arguments else "JSON"


def _quoted(path: str) -> str:
    if _NAME.match(path):
        return path
    escaped = path.replace("\\", "\\\\").replace("`", "\\`")
    for mark, char in _ESCAPES.items():
        escaped = escaped.replace(char, "\\" + mark)
    return f"`{escaped}`"


def _arguments(text: str) -> list[str]:
    """The text cut at commas outside brackets, quotes and backticks."""
    parts: list[str] = []
    depth = start = at = 0
    while at < len(text):
        char = text[at]
        if char in "'`":
            at += 1
            while at < len(text) and text[at] != char:
                at += 2 if text[at] == "\\" else 1
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def _typed_path(argument: str, whole: str) -> tuple[str, ColumnType]:
    found = _PATH.match(argument)
    if found is None or found[1].upper() == "SKIP":
        raise _refused(whole)
    steps = [_unescaped(step[1]) if step[1] is not None else step[2] for step in _STEP.finditer(found[1])]
    kind = parse_type(argument[found.end() :])
    if kind.base.name == "JSON":
        raise _refused(whole)
    return ".".join(steps), kind


def _unescaped(text: str) -> str:
    return re.sub(
        r"\\(.)|``",
        lambda found: _ESCAPES.get(found[1], found[1]) if found[1] else "`",
        text,
        flags=re.DOTALL,
    )


def _refused(text: str) -> TypeNotAllowed:
    return TypeNotAllowed(
        "The column type is not allowed: JSON takes typed paths, max_dynamic_types and max_dynamic_paths.",
        metadata={"type": text[:200]},
    )


def same_types(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether two lists of types mean the same, however they are spaced and ordered inside."""
    try:
        return [parse_column_type(each) for each in left] == [parse_column_type(each) for each in right]
    except TypeNotAllowed:
        return list(left) == list(right)
