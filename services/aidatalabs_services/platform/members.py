"""Who may use a platform."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest

ALL_USERS = "allUsers"
_USER = "users/"


@dataclass(frozen=True)
class Member:
    """A role on a platform; `member` is `users/{id}` or `allUsers`."""

    member: str
    role: Role


def check_change(owner: str, wanted: Member) -> None:
    """Raises InvalidRequest for a role that this member can never have.

    The owner stays admin, so that a platform always has one; everybody at once can only read; and a user is
    named in the one canonical spelling, so that nobody is listed twice.
    """
    if wanted.member == ALL_USERS and wanted.role is not Role.VIEWER:
        raise _refusal("member.role", "allUsers can be viewer only", "Give single users a higher role.")
    if wanted.member == owner and wanted.role is not Role.ADMIN:
        raise _refusal("member.role", "the owner stays admin", "Leave the owner's role as it is.")
    if wanted.member != ALL_USERS and not _is_user(wanted.member):
        raise _refusal("member.member", "names no user", "Set it to users/{id} with the user's UUID.")


def check_removal(owner: str, member: str) -> None:
    """Raises InvalidRequest for the owner, who stays admin."""
    if member == owner:
        raise _refusal("member", "the owner stays admin", "Leave the owner's role as it is.")


def _is_user(name: str) -> bool:
    try:
        return name == f"{_USER}{UUID(name.removeprefix(_USER))}"
    except ValueError:
        return False


def _refusal(field: str, wrong: str, next_step: str) -> InvalidRequest:
    return InvalidRequest(
        f"This role cannot be changed so: {wrong}. {next_step}", violations=[FieldViolation(field, wrong)]
    )
