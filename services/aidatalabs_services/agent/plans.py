"""Plans that come back from where they were kept: a proof in a caller's hands, a turn of a conversation."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from aidatalabs_services.agent.planner.plan import QueryPlan
from aidatalabs_services.agent.planner.sql import emit

_Record = TypeVar("_Record")


class PlanNotReadable(ValueError):
    """What came back is no plan: a field is missing, has another type, or cannot be written as SQL."""


def plan_of(kept: Mapping[str, Any]) -> QueryPlan:
    """The plan whose `to_dict()` this is; fields that are left out have their defaults.

    Raises PlanNotReadable.
    """
    return _record(QueryPlan, kept)


def record_of(kind: type[_Record], kept: object) -> _Record:
    """A record of plain fields, tuples and records out of dictionaries and lists; what is left out has its
    default, what is not known is left out. Raises PlanNotReadable."""
    return _record(kind, kept)


def sql_of(plan: QueryPlan) -> str:
    """The SELECT of a plan that may not be one of ours. Raises PlanNotReadable where none can be written."""
    try:
        return emit(plan)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, StopIteration) as error:
        raise PlanNotReadable("the plan cannot be written as SQL") from error


def _record(kind: type[_Record], kept: object) -> _Record:
    if not isinstance(kept, Mapping):
        raise PlanNotReadable(f"{kind.__name__} is no record")
    hints = typing.get_type_hints(kind)
    given = {
        field.name: _value(hints[field.name], kept.get(field.name))
        for field in fields(kind)  # type: ignore[arg-type]
        if field.name in kept or _may_be_none(hints[field.name])
    }
    try:
        return kind(**given)
    except TypeError as error:
        raise PlanNotReadable(f"{kind.__name__} lacks a field") from error


def _value(hint: Any, kept: object) -> object:
    if isinstance(hint, type) and is_dataclass(hint):
        return _record(hint, kept)
    if typing.get_origin(hint) is tuple:
        if not isinstance(kept, list | tuple):
            raise PlanNotReadable("a list is missing")
        inner = typing.get_args(hint)[0]
        return tuple(_value(inner, one) for one in kept)
    if _may_be_none(hint):
        return None if kept is None else _value(typing.get_args(hint)[0], kept)
    if not isinstance(kept, hint):
        raise PlanNotReadable(f"{kept!r} is no {hint.__name__}")
    return kept


def _may_be_none(hint: Any) -> bool:
    return typing.get_origin(hint) in (types.UnionType, typing.Union) and type(None) in typing.get_args(hint)
