"""Who is calling and how much time is left: set once by the interceptors, read wherever it is needed."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import IntEnum

from aidatalabs_services.runtime.telemetry_context import NO_TRACE, TraceContext


class Role(IntEnum):
    """Roles in ascending power; used for the mesh and for a platform alike."""

    NONE = 0
    VIEWER = 1
    EDITOR = 2
    ADMIN = 3


@dataclass(frozen=True)
class Caller:
    """The authenticated caller of one call.

    `user` is the resource name `users/{id}` from the verified token and `token` the token itself, passed on
    to peer services so that they check the same identity. `mesh_role` and `platform_role` come from the role
    directory, not from the token; `platform_uid` is set where the call names a platform.
    """

    user: str
    token: str = field(repr=False)
    mesh_role: Role = Role.NONE
    platform: str = ""
    platform_uid: str = ""
    platform_role: Role = Role.NONE


@dataclass(frozen=True)
class Call:
    """One running call: its id, method and trace, and the moment (monotonic seconds) by which it must end."""

    request_id: str
    method: str
    deadline: float
    caller: Caller | None = None
    trace: TraceContext = NO_TRACE

    def seconds_left(self) -> float:
        """The seconds until the deadline, never below zero."""
        return max(0.0, self.deadline - time.monotonic())


_current: ContextVar[Call | None] = ContextVar("aidatalabs_call", default=None)


def current_call() -> Call:
    """The call being served in this task. Raises LookupError outside a call."""
    call = _current.get()
    if call is None:
        raise LookupError("no call is being served in this task")
    return call


def optional_call() -> Call | None:
    """The call being served in this task, or None outside a call (start-up, background work)."""
    return _current.get()


def current_caller() -> Caller:
    """The authenticated caller. Raises LookupError where the method needs no token."""
    caller = current_call().caller
    if caller is None:
        raise LookupError("this call carries no caller")
    return caller


def current_user() -> str:
    """Whose call this is, `users/{id}`; empty where the method needs no token."""
    caller = current_call().caller
    return caller.user if caller else ""


def set_current_call(call: Call | None) -> None:
    """Sets the call of this task; only the interceptors, `aidatalabs eval` and tests do."""
    _current.set(call)
