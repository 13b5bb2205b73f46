"""Mesh roles for this service's own access check, read where they are kept."""

from __future__ import annotations

from aidatalabs_services.identity.directory import UserDirectory
from aidatalabs_services.runtime.errors import platform_not_found
from aidatalabs_services.runtime.roles import ResolvedAccess


class OwnRoles:
    """RoleDirectory over the users; this service knows no platforms and none of its methods names one."""

    def __init__(self, users: UserDirectory) -> None:
        self._users = users

    async def resolve(self, token: str, user: str, platform: str | None, method: str = "") -> ResolvedAccess:
        """See RoleDirectory. Raises TokenInvalid for a user that is gone."""
        if platform is not None:
            raise platform_not_found(platform)
        return ResolvedAccess(user, (await self._users.current(user)).mesh_role)
