"""Reading platforms and sharing them."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from aidatalabs_services.platform.access import AccessBook
from aidatalabs_services.platform.deletion import PlatformDeletion
from aidatalabs_services.platform.errors import user_not_found
from aidatalabs_services.platform.listings import After, Listing
from aidatalabs_services.platform.members import (
    ALL_USERS,
    Member,
    check_change,
    check_removal,
    is_email,
    is_user,
)
from aidatalabs_services.platform.platforms import Platform, State
from aidatalabs_services.platform.ports import KnownUser, PlatformStore, Users
from aidatalabs_services.runtime.caller import Caller, Role
from aidatalabs_services.runtime.errors import platform_not_found

_TAKEN_UP = 20


class Workspaces:
    """The platforms a caller can see; the gate has checked the caller's role on the one that is named."""

    def __init__(
        self, store: PlatformStore, access: AccessBook, deletion: PlatformDeletion, users: Users
    ) -> None:
        self._store = store
        self._access = access
        self._deletion = deletion
        self._users = users

    async def get(self, caller: Caller, *, deleted: bool = False) -> Platform:
        """The platform of this call, with `deleted` also one that can be brought back.

        Raises PlatformNotFound where it has gone meanwhile.

        A deletion that was cut off goes on when an admin of the platform looks.
        """
        platform = await self._store.get(UUID(caller.platform_uid))
        if platform is None or (platform.state is State.DELETED and not deleted):
            raise platform_not_found(caller.platform)
        if caller.platform_role is Role.ADMIN:
            self._deletion.take_up(platform)
        return platform

    async def page(self, caller: Caller, listing: Listing, after: After | None, size: int) -> list[Platform]:
        """At most `size` platforms after that place: those shared with the caller, for a mesh admin all.

        Deletions that were cut off go on when the owner or a mesh admin lists them.
        """
        access = await self._access.look_up(caller.user)
        everything = access.mesh_role is Role.ADMIN
        found = await self._store.page(None if everything else caller.user, listing, after, size)
        unnoted = await self._store.unnoted(None if everything else caller.user, _TAKEN_UP)
        for platform in (*found, *unnoted):
            if everything or platform.owner == caller.user:
                self._deletion.take_up(platform)
        return found

    async def members(self, caller: Caller) -> list[Member]:
        """Everybody with a role, the owner first.

        E-mails are told to admins of the platform, who set them; anybody else reads the own one alone.
        """
        found = await self._store.members(UUID(caller.platform_uid))
        admin = caller.platform_role is Role.ADMIN
        asked = [
            one.member for one in found if one.member != ALL_USERS and (admin or one.member == caller.user)
        ]
        known = {user.name: user.email for user in await self._users.find(asked)} if asked else {}
        return [replace(one, email=known.get(one.member, "")) for one in found]

    async def set_member(self, caller: Caller, wanted: Member) -> Member:
        """Sets a role and writes who set it to the audit log; an e-mail becomes the user's name.

        Raises InvalidRequest, PlatformNotFound, UserNotFound.
        """
        uid = UUID(caller.platform_uid)
        wanted = await self._known(wanted)
        async with self._store.transaction() as changes:
            found = await changes.by_uid(uid)
            if found is None:
                raise platform_not_found(caller.platform)
            check_change(found.platform.owner, wanted)
            before = await changes.put_member(uid, wanted)
            details = {
                "member": wanted.member,
                "role": wanted.role.name.lower(),
                "role_before": before.name.lower(),
            }
            await changes.record(uid, caller.user, "SetMember", details)
        return wanted

    async def remove_member(self, caller: Caller, member: str) -> None:
        """Takes a role away and writes who did to the audit log; nothing happens where there is none.

        Raises InvalidRequest for the owner, PlatformNotFound, UserNotFound for an e-mail that nobody has.
        """
        uid = UUID(caller.platform_uid)
        if is_email(member):
            member = (await self._user(member)).name
        async with self._store.transaction() as changes:
            found = await changes.by_uid(uid)
            if found is None:
                raise platform_not_found(caller.platform)
            check_removal(found.platform.owner, member)
            before = await changes.remove_member(uid, member)
            if before is not Role.NONE:
                details = {"member": member, "role_before": before.name.lower()}
                await changes.record(uid, caller.user, "RemoveMember", details)

    async def _known(self, wanted: Member) -> Member:
        """The wanted member by `users/{id}`, with the e-mail; what names no user at all is refused later."""
        if not is_email(wanted.member) and not is_user(wanted.member):
            return wanted
        user = await self._user(wanted.member)
        return replace(wanted, member=user.name, email=user.email)

    async def _user(self, member: str) -> KnownUser:
        found = await self._users.find([member])
        if not found:
            raise user_not_found(member)
        return found[0]
