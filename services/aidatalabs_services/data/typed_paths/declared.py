"""The declared paths of a JSON type: read, checked and written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from aidatalabs_services.data.column_types import ColumnType, parse_type
from aidatalabs_services.data.errors import TypeNotAllowed, shown_name
from aidatalabs_services.data.native.json_type import type_text
from aidatalabs_services.runtime.errors import FieldViolation

MOST_DECLARED = 256
_MOST_BYTES = 256
_NO_TYPES = frozenset(["Array", "Map", "Tuple", "JSON"])


def declared_paths(kind: ColumnType) -> dict[str, str]:
    """Type by path of a JSON type, in the order of the wire."""
    return {path: type_text(inner) for path, inner in zip(kind.names, kind.inner, strict=True)}


def with_declared(kind: ColumnType, declared: Mapping[str, ColumnType]) -> ColumnType:
    """The same JSON type with these declared paths instead; its limits stay."""
    paths = tuple(sorted(declared, key=str.encode))
    return replace(kind, names=paths, inner=tuple(declared[path] for path in paths))


def is_declarable(path: str) -> bool:
    """Whether a path may stand in a type: words between dots, none of them empty, all printable."""
    return (
        0 < len(path.encode("utf-8", "replace")) <= _MOST_BYTES
        and all(path.split("."))
        and path.isprintable()
        and path.split(".")[0].upper() != "SKIP"
    )


def wanted_type(path: str, text: str) -> ColumnType:
    """The type as it is declared: Nullable, because a row may lack the path.

    Raises TypeNotAllowed, naming the path, for any type that has no NULL.
    """
    try:
        kind = parse_type(text)
    except TypeNotAllowed as error:
        raise TypeNotAllowed(error.message, metadata={**error.metadata, "path": shown_name(path)}) from None
    if kind.base.name in _NO_TYPES:
        raise TypeNotAllowed(
            f"A path cannot be declared as {kind.base.name}: a row that lacks it could not be told from an "
            "empty one. Leave lists and objects dynamic.",
            metadata={"type": text[:200], "path": shown_name(path)},
        )
    if kind.nullable:
        return kind
    if kind.name == "LowCardinality":
        return ColumnType("LowCardinality", (ColumnType("Nullable", (kind.inner[0],)),))
    return ColumnType("Nullable", (kind,))


def path_violations(declared: Collection[str], named: Collection[str]) -> list[FieldViolation]:
    """What is wrong with the paths `named` in a call, given all that would be declared."""
    wrong = [
        FieldViolation(
            f"paths[{shown_name(path)}]", "is no path: write words between dots, at most 256 bytes in all"
        )
        for path in named
        if not is_declarable(path)
    ]
    if len(declared) > MOST_DECLARED:
        wrong.append(FieldViolation("paths", f"declares more than {MOST_DECLARED} paths in one column"))
    for path in sorted(declared):
        for end, sign in enumerate(path):
            if sign == "." and path[:end] in declared:
                wrong.append(
                    FieldViolation(
                        f"paths[{shown_name(path)}]", f"lies below {shown_name(path[:end])}, declared too"
                    )
                )
    return wrong
