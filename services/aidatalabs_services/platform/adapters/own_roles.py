"""Roles for this service's own access check, read where memberships are kept."""

from __future__ import annotations

from aidatalabs_services.platform.access import AccessBook
from aidatalabs_services.runtime.caller import current_call
from aidatalabs_services.runtime.errors import PlatformNotFound
from aidatalabs_services.runtime.roles import ResolvedAccess

_SERVICE = "/aidatalabs.platform.v1.PlatformService/"
_DELETE_PLATFORM = f"{_SERVICE}DeletePlatform"
# What an admin can do about a platform that is deleted and can be brought back.
_OF_DELETED = (_DELETE_PLATFORM, f"{_SERVICE}UndeletePlatform", f"{_SERVICE}GetPlatform")


class OwnRoles:
    """RoleDirectory over the access book; platform roles are never cached here."""

    def __init__(self, access: AccessBook) -> None:
        self._access = access

    async def resolve(self, token: str, user: str, platform: str | None, method: str = "") -> ResolvedAccess:
        """See RoleDirectory. Raises TokenInvalid for a user that is gone.

        A deletion that is repeated gets through to its first answer, though its platform is gone.
        """
        try:
            deleted = platform is not None and current_call().method in _OF_DELETED
            found = await self._access.look_up(user, platform or "", deleted=deleted)
        except PlatformNotFound:
            gone = None
            if platform and current_call().method == _DELETE_PLATFORM:
                gone = await self._access.after_deletion(user, platform)
            if gone is None:
                raise
            found = gone
        return ResolvedAccess(user, found.mesh_role, found.platform_role, found.platform_uid)
