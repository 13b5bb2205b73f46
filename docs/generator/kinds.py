"""Python's types in the words of a reader: of a setting, of a command's option."""

from __future__ import annotations

import types
import typing
from enum import Enum
from typing import Any

from pydantic import SecretStr

from docs.generator import markdown

_WORDS = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "Path": "path"}


def kind_in_words(kind: Any) -> str:
    """`whole number`, `text or unset`, the choices of an enum."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return kind_in_words(inside[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join("unset" if one is type(None) else kind_in_words(one) for one in inside)
    if origin is typing.Literal:
        return ", ".join(markdown.code(str(one)) for one in inside)
    if origin is dict:
        return "JSON object"
    if origin in (list, tuple, set, frozenset):
        return f"JSON list of {kind_in_words(inside[0])}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(markdown.code(str(one.value)) for one in kind)
    if kind is SecretStr:
        return "secret text"
    name: str = kind.__name__
    return _WORDS.get(name, name)
