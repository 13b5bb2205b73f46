"""Values at the declared paths of a JSON object: each by the rule of its type, and as the engine reads it.

The engine is given objects as text. At a declared path it does not take every spelling of a moment that the
rules take, so that text has one without an offset there, in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from aidatalabs_services.data.refusals import ValueRefused

Rule = Callable[[object], object]


def path_rule(rule: Rule, ticks_per_second: int | None) -> Rule:
    """From the rule of a path's type, one that gives the value as it stands in the object's text.

    `ticks_per_second` is how finely the rule counts moments; None where it gives no moment.
    """
    if ticks_per_second is None:
        return lambda value: (rule(value), value)[1]
    digits = len(str(ticks_per_second)) - 1

    def moment(value: object) -> object:
        ticks = rule(value)
        if not isinstance(ticks, int):
            return ticks  # NULL
        seconds, rest = divmod(ticks, ticks_per_second)
        text = (datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat(" ")
        return f"{text}.{rest:0{digits}d}" if digits else text

    return moment


def as_declared(
    rules: Mapping[str, Rule], value: Mapping[str, object], prefix: str = ""
) -> Mapping[str, object]:
    """The object with what the rules make of the values at their paths; the same one where all stay.

    Raises ValueRefused for the first value that its path's type does not take.
    """
    changed: dict[str, object] = {}
    for key, item in value.items():
        path = f"{prefix}{key}"
        rule = rules.get(path)
        written = item
        if rule is not None:
            try:
                written = rule(item)
            except ValueRefused as error:
                raise ValueRefused(f"at path {path[:64]} {error}", error.reason) from None
        elif isinstance(item, Mapping):
            written = as_declared(rules, item, f"{path}.")
        if written is not item:
            changed[key] = written
    return {**value, **changed} if changed else value
