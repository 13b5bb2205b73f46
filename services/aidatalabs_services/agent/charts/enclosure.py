"""The bound that a spec must keep before anything draws it: all it shows is in it."""

from __future__ import annotations

from collections.abc import Mapping

_FETCHING = frozenset(("url", "href", "lookup", "sequence", "graticule", "sphere"))


def encloses_itself(spec: object) -> bool:
    """Whether a spec holds all it shows: nothing in it that would read a file or a network, or make up data.

    The renderer's own list of allowed addresses does not keep it from reading local files. What stands in
    `data.values` is data, whatever it is called, and is not looked at.
    """
    if isinstance(spec, Mapping):
        for name, value in spec.items():
            if name in _FETCHING or (name in ("type", "mark") and value == "image"):
                return False
            if name != "values" and not encloses_itself(value):
                return False
        return True
    return all(encloses_itself(one) for one in spec) if isinstance(spec, list | tuple) else True
