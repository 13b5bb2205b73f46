"""Roles for this service's own access check, read where memberships are kept."""

from __future__ import annotations

from aidatalabs_services.platform.access import AccessBook
from aidatalabs_services.runtime.roles import ResolvedAccess


class OwnRoles:
    """RoleDirectory over the access book; platform roles are never cached here."""

    def __init__(self, access: AccessBook) -> None:
        self._access = access

    async def resolve(self, token: str, user: str, platform: str | None) -> ResolvedAccess:
        """See RoleDirectory. Raises TokenInvalid for a user that is gone."""
        found = await self._access.look_up(user, platform or "")
        return ResolvedAccess(user, found.mesh_role, found.platform_role, found.platform_uid)
