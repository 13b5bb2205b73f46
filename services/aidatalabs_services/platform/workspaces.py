"""Reading platforms and sharing them."""

from __future__ import annotations

from uuid import UUID

from aidatalabs_services.platform.access import AccessBook
from aidatalabs_services.platform.deletion import PlatformDeletion
from aidatalabs_services.platform.listings import After, Listing
from aidatalabs_services.platform.members import Member, check_change, check_removal
from aidatalabs_services.platform.platforms import Platform
from aidatalabs_services.platform.ports import PlatformStore
from aidatalabs_services.runtime.caller import Caller, Role
from aidatalabs_services.runtime.errors import platform_not_found


class Workspaces:
    """The platforms a caller can see; the gate has checked the caller's role on the one that is named."""

    def __init__(self, store: PlatformStore, access: AccessBook, deletion: PlatformDeletion) -> None:
        self._store = store
        self._access = access
        self._deletion = deletion

    async def get(self, caller: Caller) -> Platform:
        """The platform of this call. Raises PlatformNotFound where it has gone meanwhile.

        A deletion that was cut off goes on when an admin of the platform looks.
        """
        platform = await self._store.get(UUID(caller.platform_uid))
        if platform is None:
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
        for platform in found:
            if everything or platform.owner == caller.user:
                self._deletion.take_up(platform)
        return found

    async def members(self, caller: Caller) -> list[Member]:
        """Everybody with a role, the owner first."""
        return await self._store.members(UUID(caller.platform_uid))

    async def set_member(self, caller: Caller, wanted: Member) -> Member:
        """Sets a role and writes who set it to the audit log. Raises InvalidRequest, PlatformNotFound."""
        uid = UUID(caller.platform_uid)
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

        Raises InvalidRequest for the owner, PlatformNotFound.
        """
        uid = UUID(caller.platform_uid)
        async with self._store.transaction() as changes:
            found = await changes.by_uid(uid)
            if found is None:
                raise platform_not_found(caller.platform)
            check_removal(found.platform.owner, member)
            before = await changes.remove_member(uid, member)
            if before is not Role.NONE:
                details = {"member": member, "role_before": before.name.lower()}
                await changes.record(uid, caller.user, "RemoveMember", details)
