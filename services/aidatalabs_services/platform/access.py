"""What a user may do: the mesh role that identity keeps and the platform role that is kept here, together."""

from __future__ import annotations

from dataclasses import dataclass

from aidatalabs_services.platform.platforms import platform_id_of
from aidatalabs_services.platform.ports import MeshRoles, PlatformStore
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import platform_not_found


@dataclass(frozen=True)
class Access:
    """The roles of one user now; the platform's fields are empty where none was named."""

    mesh_role: Role
    platform_role: Role = Role.NONE
    platform_uid: str = ""


class AccessBook:
    """Answers who may do what, for this service's own methods and for every other service."""

    def __init__(self, store: PlatformStore, mesh_roles: MeshRoles) -> None:
        self._store = store
        self._mesh_roles = mesh_roles

    async def look_up(self, user: str, platform: str = "") -> Access:
        """The roles of `users/{id}`, on `platforms/{id}` too where one is named.

        The platform role is the highest of the user's own, that of all users, and admin for a mesh admin. It
        counts in every state of a platform: its owner must get through while the database is being made.
        Raises PlatformNotFound for a platform that is missing or not shared with the user, TokenInvalid for
        a user that is gone.
        """
        mesh_role = await self._mesh_roles.mesh_role(user)
        if not platform:
            return Access(mesh_role)
        found = await self._store.membership(platform_id_of(platform), user)
        if found is None:
            raise platform_not_found(platform)
        role = Role.ADMIN if mesh_role is Role.ADMIN else found.role
        if role is Role.NONE:
            raise platform_not_found(platform)
        return Access(mesh_role, role, str(found.platform_uid))
