"""Roles for this service's own access check, read where memberships are kept."""

from __future__ import annotations

from aidatalabs_services.platform.access import AccessBook
from aidatalabs_services.runtime.caller import current_call
from aidatalabs_services.runtime.errors import PlatformNotFound
from aidatalabs_services.runtime.roles import ResolvedAccess

_DELETE_PLATFORM = "/aidatalabs.platform.v1.PlatformService/DeletePlatform"


class OwnRoles:
    """RoleDirectory over the access book; platform roles are never cached here."""

    def __init__(self, access: AccessBook) -> None:
        self._access = access

    async def resolve(self, token: str, user: str, platform: str | None, method: str = "") -> ResolvedAccess:
        """See RoleDirectory. Raises TokenInvalid for a user that is gone.

        A deletion that is repeated gets through to its first answer, though its platform is gone.
        """
        try:
            found = await self._access.look_up(user, platform or "")
        except PlatformNotFound:
            gone = None
            if platform and current_call().method == _DELETE_PLATFORM:
                gone = await self._access.after_deletion(user, platform)
            if gone is None:
                raise
            found = gone
        return ResolvedAccess(user, found.mesh_role, found.platform_role, found.platform_uid)
