"""Where a problem of definitions stands: by names, which stay, and in the request that brought it."""

from __future__ import annotations

import re
from collections.abc import Callable

from aidatalabs_services.agent.planner.definition_fit import Problem
from aidatalabs_services.agent.planner.definitions import Definitions

_PLACE = re.compile(r"^(tables|keys|metrics|dimensions)\[(\d+)\](?:\.columns\[(\d+)\])?(.*)$")


def _name(kind: str, one: object) -> str:
    if kind == "keys":
        parts = (getattr(one, field) for field in ("table", "column", "to_table", "to_column"))
        return " ".join(parts)
    return str(getattr(one, "table" if kind == "tables" else "name"))


def _named(field: str, definitions: Definitions) -> tuple[str, str, str, str]:
    """(kind, name, column, rest) of a path."""
    match = _PLACE.match(field)
    if match is None:
        return "", "", "", field
    one = getattr(definitions, match[1])[int(match[2])]
    column = one.columns[int(match[3])].column if match[3] else ""
    return match[1], _name(match[1], one), column, match[4]


def same_problem(definitions: Definitions) -> Callable[[Problem], tuple[str, ...]]:
    """What tells a problem of these definitions again in others, wherever it stands there."""
    return lambda problem: (*_named(problem.field, definitions), problem.message)


def request_path(field: str, wanted: Definitions, given: Definitions) -> str:
    """The path of a field of `wanted` in the request `given`; by its name where it is not part of it."""
    kind, name, column, rest = _named(field, wanted)
    if not kind or wanted is given:
        return field
    for number, one in enumerate(getattr(given, kind)):
        if _name(kind, one) != name:
            continue
        if not column:
            return f"{kind}[{number}]{rest}"
        for place, other in enumerate(one.columns):
            if other.column == column:
                return f"{kind}[{number}].columns[{place}]{rest}"
    return f"{kind}[{name}{'.' + column if column else ''}]{rest}"
