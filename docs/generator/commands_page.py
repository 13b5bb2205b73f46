"""The page of commands: the tree of the `aidatalabs` program, with what each `--help` says."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from aidatalabs_services.cli.app import app
from aidatalabs_services.runtime.errors import StatusCode
from docs.generator import markdown
from docs.generator.kinds import kind_in_words

_PROGRAM = "aidatalabs"
_EXAMPLE = re.compile(r"^Examples?: *", re.M)
_ABOUT = """\
`.venv/bin/aidatalabs` talks to the local mesh of `AIDATALABS_HOME`, or with `AIDATALABS_ADDRESS` and
`AIDATALABS_TOKEN` to another one ([settings](settings.md#the-command-line)). Every command has `--help`.
"""


def text() -> str:
    """The page. Raises ValueError for a command without help or without an example."""
    parts = ["## All commands", _overview()]
    parts += [_command(words, command) for words, command in commands()]
    return markdown.page("Commands", _ABOUT, [*parts, "## Exit codes", _exit_codes()])


def commands() -> Iterator[tuple[str, Any]]:
    """(`aidatalabs tables list`, its command) of every command that does something, in order."""
    pending = [(_PROGRAM, get_command(app))]
    while pending:
        words, command = pending.pop(0)
        below = getattr(command, "commands", None)
        if below is None:
            yield words, command
        else:
            # Groups are unfolded where they stand.
            pending = [(f"{words} {name}", one) for name, one in below.items() if not one.hidden] + pending


def _overview() -> str:
    rows = [[markdown.link(words, words), _help(command).split("\n\n")[0]] for words, command in commands()]
    return markdown.table(["command", "does"], rows)


def _command(words: str, command: Any) -> str:
    said = _help(command)
    example = _EXAMPLE.search(said)
    if example is None:
        raise ValueError(f"the help of `{words}` has no example")
    shown = "\n".join(line.strip() for line in said[example.end() :].strip().splitlines())
    usage = _usage(words, command)
    parts = [f"### {words}", said[: example.start()].strip()]
    parts += [f"```console\n{usage}\n```"] if usage != shown else []
    rows = [_parameter(one) for one in command.params if not getattr(one, "hidden", False)]
    if rows:
        parts.append(markdown.table(["argument or option", "takes", "default", "meaning"], rows))
    return "\n\n".join([*parts, f"For example:\n\n```console\n{shown}\n```"])


def _help(command: Any) -> str:
    said = inspect.cleandoc(command.help or "")
    if not said:
        raise ValueError(f"the command {command.name} has no help")
    # The terminal's own marks for paragraphs and colours.
    return said.replace("\b", "").replace("\f", "").strip()


def _usage(words: str, command: Any) -> str:
    arguments = [_shown(one) for one in command.params if _is_argument(one)]
    options = ["[OPTIONS]"] if any(not _is_argument(one) for one in command.params) else []
    return " ".join([words, *options, *arguments])


def _shown(argument: Any) -> str:
    name = str(argument.metavar or argument.name).upper()
    return name if argument.required else f"[{name}]"


def _parameter(one: Any) -> list[str]:
    if _is_argument(one):
        names = markdown.code(_shown(one))
    else:
        names = ", ".join(markdown.code(name) for name in (*one.opts, *one.secondary_opts))
    takes = "" if getattr(one, "is_flag", False) else kind_in_words(one.type_descriptor.annotation)
    return [names, takes, "**required**" if one.required else _default(one.default), one.help or ""]


def _is_argument(one: Any) -> bool:
    # The program's own parser is vendored by typer, which gives its parts no public names.
    return type(one).__name__ == "TyperArgument"


def _default(value: Any) -> str:
    value = getattr(value, "value", value)
    if callable(value) or value in (None, False, "", (), []):
        return ""
    return markdown.code(str(value))


def _exit_codes() -> str:
    rows = [
        ["0", "done"],
        ["1", "the command could not do it; `status`: not all are SERVING"],
        ["2", "wrong usage or settings"],
    ]
    rows += [[str(code.value), f"refused with {code.name}"] for code in StatusCode if code.value > 2]
    return markdown.table(["code", "meaning"], [*rows, ["130", "stopped with Ctrl-C"]])
