"""Values of a model's JSON, read one at a time: what is wrong is told so that it can be put right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from aidatalabs_services.agent.models.misfit import Misfit

NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,20})?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_WORD = re.compile(r"[a-z_]{1,40}|\d{1,12}(\.\d{1,9})?")
_VALUE_CHARACTERS = 500
_WITHOUT_VALUES = ("is_null", "not_null", "is_true", "is_false")


def text(part: Mapping[str, object], name: str) -> str:
    """A text that has to be there."""
    value = part.get(name)
    if not isinstance(value, str) or not value:
        raise Misfit(f"{name} is missing or no text")
    return value


def flag(part: Mapping[str, object], name: str, default: bool) -> bool:
    """True or false."""
    value = part.get(name, default)
    if not isinstance(value, bool):
        raise Misfit(f"{name} is true or false")
    return value


def whole(part: Mapping[str, object], name: str, most: int) -> int:
    """A whole number from 0 to `most`; 0 where it is left out."""
    value = part.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise Misfit(f"{name} is a whole number from 0 to {most:,}")
    return value


def word(part: Mapping[str, object], name: str, words: tuple[str, ...], *, needed: bool = False) -> str:
    """One of these words, or where none are listed a plain word or number; empty where it is left out."""
    value = part.get(name)
    if value in (None, "") and not needed:
        return ""
    if words and (not isinstance(value, str) or value not in words):
        raise Misfit(f"{name} is one of {', '.join(words)}")
    plain = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(plain, str) or not (words or _WORD.fullmatch(plain)):
        raise Misfit(f"{name} is one word in small letters, or a number")
    return plain


def parts(part: Mapping[str, object], name: str, most: int) -> list[Mapping[str, object]]:
    """A list of objects; empty where it is left out."""
    value = part.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > most or not all(isinstance(each, dict) for each in value):
        raise Misfit(f"{name} is a list of at most {most} objects")
    return value


def names(part: Mapping[str, object], name: str, most: int) -> tuple[str, ...]:
    """A list of names; empty where it is left out."""
    value = part.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > most or not all(isinstance(each, str) for each in value):
        raise Misfit(f"{name} is a list of at most {most} names")
    return tuple(value)


def counts(part: Mapping[str, object], name: str, most: int) -> tuple[int, ...]:
    """A list of whole numbers from 1 on; empty where it is left out."""
    value = part.get(name) or []
    if not isinstance(value, list) or len(value) > most or not all(type(one) is int for one in value):
        raise Misfit(f"{name} is a list of at most {most} whole numbers")
    if not all(1 <= one <= 1_000 for one in value):
        raise Misfit(f"{name} holds numbers from 1 to 1,000")
    return tuple(value)


def values_of(part: Mapping[str, object], operator: str) -> tuple[str, ...]:
    """The values that an operator compares with, as many as it takes."""
    given = part.get("values") or []
    if not isinstance(given, list) or len(given) > 200:
        raise Misfit("values is a list of at most 200")
    values = tuple(_value(each) for each in given)
    if operator in _WITHOUT_VALUES:
        if values:
            raise Misfit(f"{operator} takes no values")
    elif operator == "between":
        if len(values) != 2:
            raise Misfit("between takes two values")
    elif operator in ("in", "not_in"):
        if not values:
            raise Misfit(f"{operator} takes at least one value")
    elif len(values) != 1:
        raise Misfit(f"{operator} takes one value")
    return values


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        told = str(value)
    elif isinstance(value, float):
        told = f"{value:.15f}".rstrip("0").rstrip(".")
    elif isinstance(value, str):
        told = value
    else:
        raise Misfit("values are texts, numbers, true or false")
    if len(told) > _VALUE_CHARACTERS:
        raise Misfit(f"a value is longer than {_VALUE_CHARACTERS} characters")
    return told


def moment(part: Mapping[str, object], name: str) -> str:
    """A day or a moment as ISO text; empty where it is left out."""
    value = part.get(name)
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or not (_DAY.fullmatch(value) or _MOMENT.fullmatch(value)):
        raise Misfit(f"{name} is written 2013-07-01 or 2013-07-01T14:00:00")
    when(value)
    return value


def when(told: str) -> datetime:
    """The moment of a text."""
    try:
        return datetime.fromisoformat(told)
    except ValueError:
        raise Misfit(f"there is no {told}") from None


def check_numbers(numeric: bool, values: tuple[str, ...], column: str) -> None:
    """That what is compared with a column of numbers are some."""
    wrong = next((v for v in values if not NUMBER.fullmatch(v)), None) if numeric else None
    if wrong is not None:
        raise Misfit(f"{column} holds numbers; {wrong[:40]!r} is none")
