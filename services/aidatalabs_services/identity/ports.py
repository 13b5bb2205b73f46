"""What identity needs from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from aidatalabs_services.identity.keys import KeyRing
from aidatalabs_services.identity.users import User
from aidatalabs_services.runtime.caller import Role


class UserStore(Protocol):
    """Users, kept for good."""

    async def get(self, user_id: UUID) -> User | None:
        """The user, or None where there is none (any more)."""

    async def put(self, email: str, role: Role | None) -> User:
        """Creates the user of this normal e-mail, or finds them; sets the mesh role where one is given.

        A new user without a role becomes a viewer; one who is there keeps theirs.
        """

    async def page(self, after: tuple[datetime, UUID] | None, size: int) -> list[User]:
        """At most `size` users created after that moment and id, oldest first."""


class KeyStore(Protocol):
    """The signing keys' place."""

    def load(self) -> KeyRing:
        """All keys there are; makes the first one where there is none. Raises KeyDirectoryUnsafe."""
