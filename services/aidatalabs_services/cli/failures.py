"""How a command fails: one sentence, the next step, and an exit code that tells the kind.

All of it goes to the standard error. With `--output json` it is one object there, nothing else:
`{"error": {"code", "reason", "message", "request_id", "hint", "metadata", "violations"}}`, where `code` is
the gRPC code by name, `reason` stands in the catalogue of reasons, and both are empty where no service was
asked. The standard output then stays empty.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from aidatalabs_client import ApiError, FileUnreadable
from aidatalabs_services.cli.screen import Output
from aidatalabs_services.identity.errors import IdentityFault
from aidatalabs_services.mesh.errors import MeshError
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.migrations import MigrationRefused

_Result = TypeVar("_Result")
_GENERAL_EXIT = 1
_USAGE_EXIT = 2
# What messages of the services say to callers over REST; who types commands is told a command.
_REST_ADVICE = re.compile(r"\s*[^.]*\b(?:GET|POST|PUT|PATCH|DELETE) /api/\S*[^.]*\.")
_NEXT_STEPS = {
    "PLATFORM_NOT_FOUND": "See yours with `aidatalabs platforms list`, make one with `aidatalabs platforms "
    "create ID`, then name it with --platform ID.",
}


_form: ContextVar[Output] = ContextVar("output", default=Output.TABLE)


def remember_form(output: Output) -> Output:
    """The callback of `--output`: errors of this command come in the form of its answers."""
    _form.set(output)
    return output


class CommandFailed(Exception):
    """A command cannot do what it was asked: `message` says why, `hint` what to do next."""

    def __init__(self, message: str, hint: str = "", exit_code: int = _GENERAL_EXIT) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


def run(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Runs a command's work; what it raises becomes words and an exit code: the gRPC code's number, or 1."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except ApiError as error:
        _fail_with_api_error(error)
    except ServiceError as error:
        _fail(error.message, "", error.code.value, code=error.code.name, reason=error.reason)
    except (CommandFailed, MeshError) as error:
        _fail(error.message, error.hint, getattr(error, "exit_code", _GENERAL_EXIT))
    except ValidationError as error:
        fail_with_settings(error)
    except (FileUnreadable, IdentityFault, MigrationRefused, OSError) as error:
        _fail(str(error), "", _GENERAL_EXIT)


def fail_with_settings(error: ValidationError) -> NoReturn:
    """Ends the program over environment variables that cannot be read; values are not repeated."""
    lines = [
        f"  AIDATALABS_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}"
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    _tell("The environment has settings that cannot be used.", "\n".join(lines))
    sys.exit(_USAGE_EXIT)


def _fail_with_api_error(error: ApiError) -> NoReturn:
    message, advice = error.message, _NEXT_STEPS.get(error.reason, "")
    if advice:
        message = _REST_ADVICE.sub("", message).strip() or message
    facts = [f"{name}={value}" for name, value in error.metadata.items()]
    facts += [f"{field} {what}" for field, what in error.violations]
    lines = [advice] if advice else []
    lines += [f"  {fact}" for fact in facts]
    name = error.reason or error.code
    lines.append(f"  {name}" + (f" · request {error.request_id}" if error.request_id else ""))
    if _form.get() is Output.JSON:
        violations = [{"field": field, "description": what} for field, what in error.violations]
        _tell_json(message, advice, code=error.code, reason=error.reason, request_id=error.request_id,
                   metadata=error.metadata, violations=violations)  # fmt: skip
        raise typer.Exit(error.exit_code)
    _fail(message, "\n".join(lines), error.exit_code)


def _fail(message: str, hint: str, exit_code: int, *, code: str = "", reason: str = "") -> NoReturn:
    if _form.get() is Output.JSON:
        _tell_json(message, hint, code=code, reason=reason)
    else:
        _tell(message, hint)
    raise typer.Exit(exit_code)


def _tell_json(message: str, hint: str, **facts: Any) -> None:
    empty = {"code": "", "reason": "", "message": message, "request_id": "", "hint": hint}
    error = empty | {"metadata": {}, "violations": []} | facts
    sys.stderr.write(json.dumps({"error": error}, ensure_ascii=False) + "\n")


def _tell(message: str, hint: str) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[bold red]error[/] {escape(message)}")
    if hint:
        console.print(f"[dim]{escape(hint)}[/]")
