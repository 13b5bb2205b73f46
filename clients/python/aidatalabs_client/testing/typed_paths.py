"""The fake server's typed paths: they stand in the column's type, and values of other types are refused.

What only the engine can tell is left out: nothing is ever `retyped`, and the suggested type of text is never
LowCardinality.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from aidatalabs.data.v1 import table_pb2, typed_path_pb2
from aidatalabs_client.column_types import parts_of, plain_type
from aidatalabs_client.testing.refusals import Failure, invalid
from aidatalabs_client.testing.workspace import Kept, Workspace, copied

_LEAST_SHARE = 0.1
_NUMBERS = {"Int64", "Float64"}
_ARGUMENT = re.compile(r"(`(?:[^`\\]|\\.)*`|\S+)\s+(.+)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WRAPPED = re.compile(r"(?:LowCardinality\()?Nullable\(")


class FakeTypedPaths:
    """The methods of DataService about typed paths."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def suggest_paths(
        self, request: typed_path_pb2.SuggestPathsRequest
    ) -> typed_path_pb2.SuggestPathsResponse:
        """DataService.SuggestPaths: learnt from every row that is kept."""
        kept = self._workspace.kept(request.platform, request.table)
        column = _json_column(kept, request.column)
        declared, seen = declared_paths(column.type), _seen(kept, request.column)
        answer = typed_path_pb2.SuggestPathsResponse(type=column.type, row_count=len(kept.rows))
        for path in sorted(seen.keys() | declared.keys()):
            types = seen.get(path, Counter())
            share = types.total() / len(kept.rows) if kept.rows else 0.0
            suggested, why = _proposal(types, share) if path not in declared else ("", "It is declared.")
            answer.paths.add(
                path=path,
                share=share,
                seen=[
                    typed_path_pb2.SeenType(type=kind, row_count=rows) for kind, rows in types.most_common()
                ],
                declared_type=declared.get(path, ""),
                suggested_type=suggested,
                explanation=why,
            )
        answer.paths.sort(key=lambda each: (-each.share, each.path))
        return answer

    async def type_paths(self, request: typed_path_pb2.TypePathsRequest) -> typed_path_pb2.TypePathsResponse:
        """DataService.TypePaths: every row is looked at first."""
        kept = self._workspace.kept(request.platform, request.table)
        column = _json_column(kept, request.column)
        before = declared_paths(column.type)
        after = {path: kind for path, kind in before.items() if path not in request.untyped_paths}
        after |= {each.path: _nullable(each.type) for each in request.paths}
        answer = typed_path_pb2.TypePathsResponse(
            type_before=column.type, type_after=_json_type(after), row_count=len(kept.rows)
        )
        for path in sorted(before.keys() | after.keys()):
            if before.get(path) != after.get(path):
                rows = sum(path in dict(_leaves(row.get(request.column))) for row in kept.rows)
                answer.changes.add(
                    path=path,
                    type_before=before.get(path, ""),
                    type_after=after.get(path, ""),
                    row_count=rows,
                )
                answer.misfits.extend(_misfits(kept, request.column, path, after.get(path, "")))
        if answer.misfits and not request.validate_only:
            first = answer.misfits[0]
            raise Failure(
                "FAILED_PRECONDITION",
                "PATH_VALUES_MISFIT",
                f"{first.row_count:,} values of {first.path!r} do not fit {first.type}. Nothing was changed.",
                {"table": request.table, "column": request.column, "path": first.path, "type": first.type},
            )
        if answer.changes and not request.validate_only:
            column.type = answer.type_after
            answer.changed = True
        answer.table.CopyFrom(copied(kept.table))
        return answer


def declared_paths(kind: str) -> dict[str, str]:
    """Type by path of a JSON column's type."""
    name, arguments = parts_of(kind)
    found = [_ARGUMENT.fullmatch(each) for each in arguments if name == "JSON" and "=" not in each]
    return {re.sub(r"\\(.)", r"\1", each[1].strip("`")): each[2] for each in found if each}


def misfit_of(kind: str, value: Any) -> str:
    """The first declared path of a JSON column whose value is of another type; empty where there is none."""
    declared = declared_paths(kind)
    return next(
        (path for path, each in _leaves(value) if path in declared and not _fits(declared[path], each)), ""
    )


def _json_column(kept: Kept, name: str) -> table_pb2.Column:
    for column in kept.table.columns:
        if column.name == name:
            if parts_of(column.type)[0] != "JSON":
                raise invalid("TABLE_INVALID", f"column {name} is no JSON column", table=kept.table.name)
            return column
    raise invalid("COLUMN_NOT_KNOWN", f"{kept.table.name} has no column {name!r}.", table=kept.table.name)


def _json_type(declared: Mapping[str, str]) -> str:
    written = ", ".join(
        f"{path if _NAME.match(path) else f'`{path}`'} {declared[path]}" for path in sorted(declared)
    )
    return f"JSON({written})" if written else "JSON"


def _nullable(kind: str) -> str:
    if _WRAPPED.match(kind):
        return kind
    name, arguments = parts_of(kind)
    if name in ("Array", "Map", "Tuple", "JSON"):
        raise invalid("TYPE_NOT_ALLOWED", f"A path cannot be declared as {name}.", type=kind)
    return f"LowCardinality(Nullable({arguments[0]}))" if name == "LowCardinality" else f"Nullable({kind})"


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of each value of an object; NULL is no value."""
    for key, each in (value or {}).items():
        if isinstance(each, dict):
            yield from _leaves(each, f"{prefix}{key}.")
        elif each is not None:
            yield f"{prefix}{key}", each


def _seen(kept: Kept, column: str) -> dict[str, Counter[str]]:
    seen: dict[str, Counter[str]] = {}
    for row in kept.rows:
        for path, value in _leaves(row.get(column)):
            seen.setdefault(path, Counter())[_type_of(value)] += 1
    return seen


def _type_of(value: Any) -> str:
    if isinstance(value, list):
        return "Array"
    return {bool: "Bool", int: "Int64", float: "Float64"}.get(type(value), "String")


def _proposal(types: Counter[str], share: float) -> tuple[str, str]:
    if share < _LEAST_SHARE:
        return "", "Too few of the rows have it."
    if set(types) == _NUMBERS:
        return "Nullable(Float64)", "Numbers with and without a fraction."
    if len(types) > 1 or "Array" in types:
        return "", "Its values are not of one plain type."
    return f"Nullable({next(iter(types))})", "Its values are of this type."


def _fits(kind: str, value: Any) -> bool:
    """Whether a value may stand at a path declared so; texts fit any type that JSON has no form for."""
    plain, found = plain_type(kind), _type_of(value)
    if "Int" in plain:
        return found == "Int64"
    if plain.startswith(("Float", "Decimal")):
        return found in _NUMBERS
    return found == ("Bool" if plain == "Bool" else "String")


def _misfits(kept: Kept, column: str, path: str, kind: str) -> Iterator[typed_path_pb2.PathMisfit]:
    values = [dict(_leaves(row.get(column))).get(path) for row in kept.rows]
    wrong = [each for each in values if kind and each is not None and not _fits(kind, each)]
    if wrong:
        example = f"{_type_of(wrong[0])}: {str(wrong[0])[:100]}"
        yield typed_path_pb2.PathMisfit(path=path, type=kind, row_count=len(wrong), example=example)
