"""What the platform service needs from outside."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from aidatalabs_services.platform.members import Member
from aidatalabs_services.platform.platforms import Draft, Platform
from aidatalabs_services.runtime.caller import Role


@dataclass(frozen=True)
class Membership:
    """A user's role on a platform: the higher of the own and that of all users; NONE for a stranger."""

    platform_uid: UUID
    role: Role


@dataclass(frozen=True)
class RequestKey:
    """What makes two calls the same one: the caller, the method and the id the client chose.

    Another user's request id is another key. `fingerprint` is the content's hash.
    """

    user: str
    method: str
    request_id: str
    fingerprint: bytes


@dataclass(frozen=True)
class Remembered:
    """An earlier call of the same key: its content's hash, its platform and, once it was over, its answer."""

    fingerprint: bytes
    platform_uid: UUID | None
    answer: Platform | None


@dataclass(frozen=True)
class Attempted:
    """A platform, and whether an attempt at making its database is `running` and within its time."""

    platform: Platform
    running: bool


class PlatformChanges(Protocol):
    """The steps of one transaction: all of them happen, or none."""

    async def remember(self, key: RequestKey) -> Remembered | None:
        """Notes a call; returns the earlier one of the last 24 hours, locked until the end."""

    async def link(self, key: RequestKey, platform_uid: UUID) -> None:
        """Notes which platform a call works on."""

    async def answer(self, key: RequestKey, platform: Platform) -> None:
        """Notes a call's answer, to be given again."""

    async def insert(self, draft: Draft, owner: str) -> Platform | None:
        """A new platform in PROVISIONING with its owner as admin; None where the id is taken."""

    async def by_id(self, platform_id: str) -> Attempted | None:
        """The platform of that id, locked until the end of the transaction."""

    async def by_uid(self, uid: UUID) -> Attempted | None:
        """The platform of that uid, locked until the end of the transaction."""

    async def begin_attempt(self, uid: UUID, seconds: float) -> UUID:
        """Opens a new attempt of at most so many seconds; the state is PROVISIONING. Returns the attempt."""

    async def activate(self, uid: UUID) -> Platform | None:
        """Ends the attempt well: the state is ACTIVE. None where the platform is gone."""

    async def put_member(self, uid: UUID, member: Member) -> Role:
        """Sets a role; returns the one before, NONE where there was none."""

    async def record(self, uid: UUID, actor: str, action: str, details: Mapping[str, str]) -> None:
        """Writes a line of the audit log."""


class PlatformStore(Protocol):
    """Platforms, their members and what happened to them, kept for good."""

    def transaction(self) -> AbstractAsyncContextManager[PlatformChanges]:
        """Commits at the end of the block, undoes all of it on an exception."""

    async def fail_attempt(self, uid: UUID, attempt: UUID) -> None:
        """Ends this attempt badly: the state is FAILED, unless another attempt took over meanwhile."""

    async def get(self, uid: UUID) -> Platform | None:
        """One platform."""

    async def page(self, user: str | None, after_id: str, size: int) -> list[Platform]:
        """At most `size` platforms after that id, by id: those that `user` may see, None for all."""

    async def membership(self, platform_id: str, user: str) -> Membership | None:
        """The user's role on the platform; None where there is no such platform."""

    async def members(self, uid: UUID) -> list[Member]:
        """Everybody with a role: the owner first, then in order of their names."""


class MeshRoles(Protocol):
    """The identity service's answers."""

    async def mesh_role(self, user: str) -> Role:
        """The mesh role of `users/{id}`, at most 5 seconds old. Raises TokenInvalid for one that is gone."""


class PlatformDatabases(Protocol):
    """The data service's part in a platform's life."""

    async def provision(self, platform: str) -> None:
        """Makes the database of `platforms/{id}` where it is missing, as the caller and in the time left.

        Raises ServiceUnavailable and the data service's other refusals.
        """
