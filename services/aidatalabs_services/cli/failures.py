"""How a command fails: one sentence, the next step, and an exit code that tells the kind.

All of it goes to the standard error. With `--output json` it is one object there, nothing else:
`{"error": {"code", "reason", "message", "request_id", "hint", "metadata", "violations"}}`, where `code` is
the gRPC code by name, `reason` stands in the catalogue of reasons, and both are empty where no service was
asked. The standard output then stays empty.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from aidatalabs_services.cli.forms import json_is_wanted, json_text, platform_option, shown_text

if TYPE_CHECKING:
    from pydantic import ValidationError

    from aidatalabs_client import ApiError

_Result = TypeVar("_Result")
GENERAL_EXIT = 1
USAGE_EXIT = 2
INTERRUPTED_EXIT = 130
_TRACE_KEY = "trace_id"
EXIT_CODES = {
    0: "done",
    GENERAL_EXIT: "the command itself could not do it",
    USAGE_EXIT: "words it does not know, or settings that cannot be used",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION, such as a question that cannot be answered",
    10: "ABORTED",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
    INTERRUPTED_EXIT: "Ctrl-C",
}
"""What a command exits with: its own kinds, and the number of the gRPC code a service refused with."""

# What messages of the services say to callers over REST; who types commands is told a command.
_REST_ADVICE = re.compile(r"\s*[^.]*\b(?:GET|POST|PUT|PATCH|DELETE) /api/\S*[^.]*\.")
_SIGN_IN = "Make one with `aidatalabs token --email E` and put it into AIDATALABS_TOKEN."
_NEXT_STEPS = {
    "PLATFORM_NOT_FOUND": "See yours with `aidatalabs platforms list`, make one with `aidatalabs platforms "
    "create ID`, then name it with --platform ID.",
    "TABLE_NOT_FOUND": "See the tables with `aidatalabs tables list{platform}`.",
    "COLUMN_NOT_KNOWN": "See a table's columns with `aidatalabs tables get TABLE{platform}`.",
    "PERMISSION_DENIED": "An admin of the platform can give you a role with `aidatalabs platforms share "
    "PLATFORM YOUR-EMAIL --role ROLE`.",
    "USER_NOT_FOUND": "Mesh admins see everybody with `aidatalabs users list`, and add somebody with "
    "`aidatalabs token --email E`.",
    "TOKEN_MISSING": _SIGN_IN,
    "TOKEN_INVALID": _SIGN_IN,
    "TOKEN_EXPIRED": _SIGN_IN,
    "UNAVAILABLE": "Is that the address of a mesh (AIDATALABS_ADDRESS, else AIDATALABS_PORT)? Look at the "
    "mesh with `aidatalabs status`, at the machine with `aidatalabs doctor`.",
}
"""The next step by reason, and by gRPC code where nobody gave a reason. `{platform}` is the option that names
the platform the command was about, where it has to be named."""
_ON_MESH = (
    "A mesh admin can give you the role with `aidatalabs token --email YOUR-EMAIL --role {role}`, on the "
    "mesh's machine."
)


class CommandFailed(Exception):
    """A command cannot do what it was asked: `message` says why, `hint` what to do next.

    `code` and `reason` are those a service would have given, empty where there is no such one.
    """

    def __init__(
        self, message: str, hint: str = "", exit_code: int = GENERAL_EXIT, *, code: str = "", reason: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
        self.code = code
        self.reason = reason


def run(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Runs a command's work; what it raises becomes words and an exit code: the gRPC code's number, or 1."""
    import asyncio

    _keep_logs_off_the_terminal()
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED_EXIT) from None
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):  # Ctrl-C at a question
            sys.stderr.write("\n")
            raise typer.Exit(INTERRUPTED_EXIT) from None
        raise
    except typer.Exit:
        raise
    except Exception as error:
        _tell_failure(error)
        raise  # a fault of our own: nothing better can be said about it


def _keep_logs_off_the_terminal() -> None:
    """Only a command's own words are printed; parts it shares with the services log to nowhere here."""
    import logging

    import structlog

    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), cache_logger_on_first_use=False)
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(logging.NullHandler())


def _tell_failure(error: Exception) -> None:
    """Ends the program where the exception is one that commands know; the imports are those of its work."""
    from pydantic import ValidationError

    from aidatalabs_client import ApiError, FileUnreadable
    from aidatalabs_services.identity.errors import IdentityFault
    from aidatalabs_services.mesh.errors import MeshError
    from aidatalabs_services.runtime.errors import ServiceError
    from aidatalabs_services.runtime.migrations import MigrationRefused

    if isinstance(error, ApiError):
        _fail_with_api_error(error)
    if isinstance(error, ServiceError):
        hint = _next_step(error.reason, error.metadata)
        _fail(error.message, hint, error.code.value, code=error.code.name, reason=error.reason)
    if isinstance(error, CommandFailed):
        _fail(error.message, error.hint, error.exit_code, code=error.code, reason=error.reason)
    if isinstance(error, MeshError):
        _fail(error.message, error.hint, GENERAL_EXIT)
    if isinstance(error, ValidationError):
        fail_with_settings(error)
    if isinstance(error, FileUnreadable | IdentityFault | MigrationRefused | OSError):
        _fail(str(error), "", GENERAL_EXIT)


def fail_with_settings(error: ValidationError) -> NoReturn:
    """Ends the program over environment variables that cannot be read; values are not repeated."""
    lines = [
        f"  AIDATALABS_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}"
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    told = "The environment has settings that cannot be used."
    if json_is_wanted():
        _tell_json(told, "\n".join(line.strip() for line in lines))
    else:
        _tell(told, "\n".join(lines))
    sys.exit(USAGE_EXIT)


def _next_step(reason: str, facts: Mapping[str, str]) -> str:
    if reason == "PERMISSION_DENIED" and facts.get("on") == "mesh":
        return _ON_MESH.format(role=facts.get("needed_role", "ROLE"))
    return _NEXT_STEPS.get(reason, "").replace(
        "{platform}", "".join(f" {word}" for word in platform_option())
    )


def _fail_with_api_error(error: ApiError) -> NoReturn:
    message, advice = error.message, _next_step(error.reason or error.code, error.metadata)
    if advice:
        message = _REST_ADVICE.sub("", message).strip() or message
    if json_is_wanted():
        violations = [{"field": field, "description": what} for field, what in error.violations]
        _tell_json(message, advice, code=error.code, reason=error.reason, request_id=error.request_id,
                   metadata=error.metadata, violations=violations)  # fmt: skip
        raise typer.Exit(error.exit_code)
    facts = [f"{name}={value}" for name, value in error.metadata.items() if name != _TRACE_KEY]
    facts += [f"{field} {what}" for field, what in error.violations]
    lines = [advice] if advice else []
    lines += [f"  {fact}" for fact in facts]
    name = error.reason or error.code
    if _TRACE_KEY in error.metadata:
        lines.append(f"  trace {error.metadata[_TRACE_KEY]}")
    lines.append(f"  {name}" + (f" · request {error.request_id}" if error.request_id else ""))
    _tell(message, "\n".join(lines))
    raise typer.Exit(error.exit_code)


def _fail(message: str, hint: str, exit_code: int, *, code: str = "", reason: str = "") -> NoReturn:
    if json_is_wanted():
        _tell_json(message, hint, code=code, reason=reason)
    else:
        _tell(message, "\n".join(filter(None, (hint, f"  {reason}" if reason else ""))))
    raise typer.Exit(exit_code)


def _tell_json(message: str, hint: str, **facts: Any) -> None:
    empty = {"code": "", "reason": "", "message": message, "request_id": "", "hint": hint}
    error = empty | {"metadata": {}, "violations": []} | facts
    sys.stderr.write(json_text({"error": error}) + "\n")


def _tell(message: str, hint: str) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[bold red]error[/] {escape(shown_text(message))}")
    if hint:
        console.print(f"[dim]{escape(shown_text(hint))}[/]")
