"""Users and their mesh roles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from aidatalabs_services.identity.errors import EmailInvalid
from aidatalabs_services.runtime.caller import Role

_PREFIX = "users/"
_LONGEST_EMAIL = 254  # RFC 5321: 256 octets for the path with its two angle brackets
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(rf"[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*", re.ASCII)


@dataclass(frozen=True)
class User:
    """Somebody who can sign in; `email` is lower case and unique, `subscription_tier` free text or empty."""

    id: UUID
    email: str
    mesh_role: Role
    subscription_tier: str
    create_time: datetime

    @property
    def name(self) -> str:
        """The resource name `users/{id}`, the `sub` of the user's tokens."""
        return f"{_PREFIX}{self.id}"


class Comparison(Protocol):
    """One condition of a filter: `email`, `role` or `create_time`, an operator of AIP-160, and a value."""

    @property
    def field(self) -> str:
        """The field's name."""

    @property
    def operator(self) -> str:
        """`=`, `!=`, `<`, `>` or `:` (has)."""

    @property
    def value(self) -> str | datetime:
        """A moment for `create_time`, else a text."""


@dataclass(frozen=True)
class UserQuery:
    """Which users, in which order, after which place in it (the order's value of a user, and their id)."""

    conditions: Sequence[Comparison] = ()
    order: Literal["create_time", "email"] = "create_time"
    descending: bool = False
    after: tuple[datetime | str, UUID] | None = None

    def place_of(self, user: User) -> tuple[datetime | str, UUID]:
        """Where a user stands in the order; the id tells users of one moment apart."""
        return (user.email if self.order == "email" else user.create_time), user.id


def user_id(name: str) -> UUID | None:
    """The id in `users/{id}`; None where the text is no user's name in its one canonical spelling."""
    text = name.removeprefix(_PREFIX)
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if name == f"{_PREFIX}{found}" else None


def user_references(members: Sequence[str]) -> tuple[list[UUID], list[str]]:
    """The ids and normal e-mails among what people call users; what can be neither belongs to nobody."""
    ids, emails = [], []
    for member in members:
        found = user_id(member)
        if found is not None:
            ids.append(found)
            continue
        try:
            emails.append(normal_email(member))
        except EmailInvalid:
            continue
    return ids, emails


def normal_email(text: str) -> str:
    """The address in lower case without blanks around it, the one form that is stored and compared.

    Plain ASCII only: look-alike letters could pass for somebody else (the Kelvin sign in lower case is a k).
    Raises EmailInvalid.
    """
    email = text.strip().lower()
    if len(email) > _LONGEST_EMAIL or not text.isascii() or not _EMAIL.fullmatch(email):
        raise EmailInvalid(
            "This is no e-mail address. It has the form name@domain, in plain ASCII, "
            f"and is at most {_LONGEST_EMAIL} characters long."
        )
    return email
