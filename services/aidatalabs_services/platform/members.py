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
    """A role on a platform; `member` is `users/{id}` or `allUsers`.

    `email` is the user's, for those who may read it, else empty. In a change `member` may be an e-mail.
    """

    member: str
    role: Role
    email: str = ""


def is_email(member: str) -> bool:
    """Whether this is the address of a user and no name in the mesh; the contract's rules hold already."""
    return "@" in member


def check_change(owner: str, wanted: Member) -> None:
    """Raises InvalidRequest for a role that this member can never have.

    The owner stays admin, so that a platform always has one; everybody at once can only read; and a user is
    named in the one canonical spelling, so that nobody is listed twice.
    """
    if wanted.member == ALL_USERS and wanted.role is not Role.VIEWER:
        raise _refusal("member.role", "allUsers can be viewer only", "Give single users a higher role.")
    if wanted.member == owner and wanted.role is not Role.ADMIN:
        raise _refusal("member.role", "the owner stays admin", "Leave the owner's role as it is.")
    if wanted.member != ALL_USERS and not is_user(wanted.member):
        raise _refusal(
            "member.member", "names no user", "Set it to users/{id} with the user's UUID, or to their e-mail."
        )


def check_removal(owner: str, member: str) -> None:
    """Raises InvalidRequest for the owner, who stays admin."""
    if member == owner:
        raise _refusal("member", "the owner stays admin", "Leave the owner's role as it is.")


def is_user(name: str) -> bool:
    """Whether this is `users/{id}` in its one canonical spelling."""
    try:
        return name == f"{_USER}{UUID(name.removeprefix(_USER))}"
    except ValueError:
        return False


def _refusal(field: str, wrong: str, next_step: str) -> InvalidRequest:
    return InvalidRequest(
        f"This role cannot be changed so: {wrong}. {next_step}", violations=[FieldViolation(field, wrong)]
    )
