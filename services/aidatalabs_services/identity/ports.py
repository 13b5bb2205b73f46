"""What identity needs from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from aidatalabs_services.identity.keys import KeyRing, PublicKey
from aidatalabs_services.identity.users import User, UserQuery
from aidatalabs_services.runtime.caller import Role

if TYPE_CHECKING:
    from aidatalabs_services.identity.sessions import SessionLimits


class UserStore(Protocol):
    """Users, kept for good."""

    async def get(self, user_id: UUID) -> User | None:
        """The user, or None where there is none (any more)."""

    async def put(self, email: str, role: Role | None) -> User:
        """Creates the user of this normal e-mail, or finds them; sets the mesh role where one is given.

        A new user without a role becomes a viewer; one who is there keeps theirs.
        """

    async def page(self, query: UserQuery, size: int) -> list[User]:
        """At most `size` users that fit the query, in its order, from its place on."""

    async def find(self, ids: Sequence[UUID], emails: Sequence[str]) -> list[User]:
        """The users with one of these ids or normal e-mails, each once, in order of their e-mails."""


class KeyStore(Protocol):
    """The signing keys' place."""

    def load(self) -> KeyRing:
        """All keys; makes the first ones where there are none. Raises KeyDirectoryUnsafe or OSError."""

    def rotate(self, rotation: str) -> KeyRing:
        """Makes the next key sign, once for each `rotation`.

        Raises Overloaded where too many are published, KeyDirectoryUnsafe or OSError.
        """


class RotationStore(Protocol):
    """Remembers requests to rotate, and who made them."""

    async def once(
        self, user: str, request_id: str, make: Callable[[], Awaitable[Sequence[PublicKey]]]
    ) -> Sequence[PublicKey]:
        """What `make` returned for this user's request_id, now or within the last 24 hours.

        Two at once wait for each other. A `make` that raises leaves nothing remembered. An empty id always
        makes.
        """


class SessionStore(Protocol):
    """Browser sessions and the codes of sign-in links, by their hashes (32 bytes)."""

    async def add_link(self, code: bytes, user_id: UUID, lifetime: timedelta) -> None:
        """Keeps a code that works once within its lifetime."""

    async def redeem(self, code: bytes, session: bytes, earlier: bytes | None, limits: SessionLimits) -> bool:
        """Uses up the code and begins its user's session, ending an earlier one; False for no good code."""

    async def user_of(self, session: bytes, limits: SessionLimits) -> User | None:
        """The user of a session within its limits, which has been seen now (to the minute)."""

    async def end(self, session: bytes) -> None:
        """Removes the session, if it is there."""
