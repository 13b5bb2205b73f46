"""What the platform service needs from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from aidatalabs_services.platform.listings import After, Listing
from aidatalabs_services.platform.members import Member
from aidatalabs_services.platform.platforms import Change, Draft, Platform, State
from aidatalabs_services.runtime.caller import Role


@dataclass(frozen=True)
class Membership:
    """A user's role on a platform: the higher of the own and that of all users; NONE for a stranger.

    `state` is the platform's; `works_on_it` says whether an attempt of this user at making or removing its
    database is running.
    """

    platform_uid: UUID
    role: Role
    state: State
    works_on_it: bool


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
    """A platform, and whether an attempt at its database is `running` and within its time."""

    platform: Platform
    running: bool


class PlatformChanges(Protocol):
    """The steps of one transaction: all of them happen, or none."""

    async def remember(self, key: RequestKey) -> Remembered | None:
        """Notes a call; returns the earlier one of the last 24 hours, locked until the end."""

    async def link(self, key: RequestKey, platform: Platform) -> None:
        """Notes which platform a call works on."""

    async def answer(self, key: RequestKey, platform: Platform) -> None:
        """Notes a call's answer, to be given again."""

    async def insert(self, draft: Draft, owner: str) -> Platform | None:
        """A new platform in PROVISIONING with its owner as admin; None where the id is taken."""

    async def seconds_to_rest(self, platform_id: str, seconds: float) -> float:
        """How long an id whose platform was deleted must still rest, of so many seconds; 0 for all others."""

    async def by_id(self, platform_id: str) -> Attempted | None:
        """The platform of that id, locked until the end of the transaction."""

    async def by_uid(self, uid: UUID) -> Attempted | None:
        """The platform of that uid, locked until the end of the transaction."""

    async def begin_attempt(self, uid: UUID, seconds: float) -> UUID:
        """Opens a new attempt of at most so many seconds; the state is PROVISIONING. Returns the attempt."""

    async def activate(self, uid: UUID) -> Platform | None:
        """Ends the attempt well: the state is ACTIVE. None where the platform is gone."""

    async def rewrite(self, uid: UUID, change: Change) -> Platform | None:
        """Changes the content and counts the version up, in one step with the comparison of the etag.

        None where the platform is gone, is being deleted, or has another etag.
        """

    async def mark_deleting(self, uid: UUID) -> Platform:
        """Records the deletion of a locked platform: the state is DELETING from now on."""

    async def mark_deleted(self, uid: UUID, seconds: float) -> Platform:
        """Records that a locked platform is out of sight, to be brought back for so many seconds: DELETED."""

    async def note_purge(self, uid: UUID, attempt: UUID) -> bool:
        """Ends the attempt well: the data service knows when to remove the data. False where another one
        took over.
        """

    async def begin_undeletion(self, uid: UUID, user: str, seconds: float) -> UUID | None:
        """Opens an attempt of `user` at bringing a DELETED platform back; from now on the data service does
        not count as knowing of its purge. None where its time is over.
        """

    async def undelete(self, uid: UUID, attempt: UUID) -> Platform | None:
        """Ends the attempt well: the state is ACTIVE. None where another one took over."""

    async def begin_removal(self, uid: UUID, user: str, seconds: float) -> UUID:
        """Opens an attempt of `user` at removing the data, or at noting when that is to be done, of at most
        so many seconds; returns it.
        """

    async def remove(self, uid: UUID, attempt: UUID) -> bool:
        """Ends the attempt well: platform and members are gone. False where another one took over."""

    async def put_member(self, uid: UUID, member: Member) -> Role:
        """Sets a role; returns the one before, NONE where there was none."""

    async def remove_member(self, uid: UUID, member: str) -> Role:
        """Takes a role away; returns it, NONE where there was none."""

    async def record(self, uid: UUID, actor: str, action: str, details: Mapping[str, str]) -> None:
        """Writes a line of the audit log."""


class PlatformStore(Protocol):
    """Platforms, their members and what happened to them, kept for good."""

    def transaction(self) -> AbstractAsyncContextManager[PlatformChanges]:
        """Commits at the end of the block, undoes all of it on an exception."""

    async def fail_attempt(self, uid: UUID, attempt: UUID) -> None:
        """Ends this attempt badly, unless another took over meanwhile: PROVISIONING becomes FAILED."""

    async def get(self, uid: UUID) -> Platform | None:
        """One platform."""

    async def page(
        self, user: str | None, listing: Listing, after: After | None, size: int
    ) -> list[Platform]:
        """At most `size` platforms of the list after that place: those that `user` may see, None for all."""

    async def membership(self, platform_id: str, user: str) -> Membership | None:
        """The user's role on the platform; None where there is no such platform."""

    async def unnoted(self, user: str | None, size: int) -> list[Platform]:
        """DELETED platforms whose purge the data service does not know of, of this owner, None for all."""

    async def purge_due(self) -> list[Platform]:
        """Removes the platforms whose time to be brought back is over; returns what they were."""

    async def deleted_by(self, user: str, platform_id: str) -> UUID | None:
        """The platform of that id that the user deleted with a request id in the last 24 hours."""

    async def members(self, uid: UUID) -> list[Member]:
        """Everybody with a role: the owner first, then in order of their names."""


class MeshRoles(Protocol):
    """The identity service's answers."""

    async def mesh_role(self, user: str) -> Role:
        """The mesh role of `users/{id}`, at most 5 seconds old. Raises TokenInvalid for one that is gone."""


@dataclass(frozen=True)
class KnownUser:
    """A user as identity knows them: `users/{id}` and the e-mail in its normal form."""

    name: str
    email: str


class Users(Protocol):
    """The identity service's directory; what it tells is for a platform's admins, or for the user alone."""

    async def find(self, members: Sequence[str]) -> list[KnownUser]:
        """The users of these e-mails and `users/{id}`, each once; what belongs to nobody is left out.

        Raises ServiceUnavailable.
        """


class PlatformDatabases(Protocol):
    """The data service's part in a platform's life."""

    async def provision(self, platform: str) -> None:
        """Makes the database of `platforms/{id}` where it is missing, as the caller and in the time left.

        Raises ServiceUnavailable and the data service's other refusals.
        """

    async def deprovision(self, platform: str, purge_time: datetime | None = None) -> None:
        """Removes the data of `platforms/{id}`, as the caller and in the time left; with a `purge_time` it is
        removed then, unless `provision` comes first.

        Repeating it is harmless. Raises ServiceUnavailable and the data service's other refusals.
        """


class PlatformRecords(Protocol):
    """The agent service's part in a platform's end: it keeps the platform's conversations and lessons."""

    async def remove(self, platform: str, purge_time: datetime | None = None) -> None:
        """Removes what is kept of `platforms/{id}`, as the caller and in the time left; with a `purge_time`
        it is removed then, unless `keep` comes first.

        Repeating it is harmless. Raises ServiceUnavailable and the agent service's other refusals.
        """

    async def keep(self, platform: str) -> None:
        """Takes a removal back whose time has not come. Repeating it is harmless. Raises as `remove`."""


class NoRecords:
    """PlatformRecords of a mesh without an agent service: nothing is kept."""

    async def remove(self, platform: str, purge_time: datetime | None = None) -> None:
        """See PlatformRecords."""

    async def keep(self, platform: str) -> None:
        """See PlatformRecords."""
