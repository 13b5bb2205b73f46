"""The forms a command answers in, and how text from outside is made safe to print."""

from __future__ import annotations

import json
import re
from contextvars import ContextVar
from enum import StrEnum

from rich.markup import escape

# Control characters of a value would be commands to the terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Output(StrEnum):
    """The forms of a command that answers with one thing."""

    TABLE = "table"
    JSON = "json"


class RowsOutput(StrEnum):
    """The forms of a command that answers with rows."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


_json_wanted: ContextVar[bool] = ContextVar("json_wanted", default=False)


def remember_form(output: Output | RowsOutput) -> Output | RowsOutput:
    """The callback of `--output`: errors of this command come in the form of its answers."""
    _json_wanted.set(output.value == "json")
    return output


_platform: ContextVar[str] = ContextVar("platform", default="")


def remember_platform(name: str) -> str:
    """The callback of `--platform`: commands that refusals name are about the same platform."""
    _platform.set(name)
    return name


def platform_option() -> list[str]:
    """`--platform` as it was given, in words of a command line; none where it was not."""
    name = _platform.get().removeprefix("platforms/")
    return ["--platform", name] if name else []


def json_is_wanted() -> bool:
    """Whether the command that runs was told `--output json`."""
    return _json_wanted.get()


def shown(text: str) -> str:
    """Text from outside as it may be printed: control characters become their names, `\\x1b`."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def shown_text(text: str) -> str:
    """The same for text of several lines: line ends and tabs stay."""
    return _CONTROL_IN_TEXT.sub(lambda found: repr(found[0])[1:-1], text.replace("\r\n", "\n"))


def json_text(fields: object, indent: int | None = None) -> str:
    """Plain data as JSON, every control character in it as an escape, also those that JSON lets through."""
    written = json.dumps(fields, ensure_ascii=False, indent=indent)
    return _CONTROL_IN_TEXT.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def as_it_is(text: str) -> str:
    """Text from outside for a line with markup: nothing in it is markup or a command to the terminal."""
    return escape(shown(text))
