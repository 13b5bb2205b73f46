"""What a user may do: the mesh role that identity keeps and the platform role that is kept here, together."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from aidatalabs_services.platform.errors import not_active
from aidatalabs_services.platform.platforms import State, platform_id_of
from aidatalabs_services.platform.ports import MeshRoles, PlatformStore
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import platform_not_found

# The calls by which an attempt does its work, and the state in which it does.
_ATTEMPTS = {
    "/aidatalabs.data.v1.DataService/ProvisionPlatform": (State.PROVISIONING, State.DELETED),
    "/aidatalabs.data.v1.DataService/DeprovisionPlatform": (State.DELETING, State.DELETED),
    "/aidatalabs.agent.v1.AgentService/PurgePlatform": (State.DELETING, State.DELETED),
    "/aidatalabs.agent.v1.AgentService/KeepPlatform": (State.DELETED,),
}


@dataclass(frozen=True)
class Access:
    """The roles of one user now; the platform's fields are empty where none was named.

    `works_on_it`: an attempt of this user at making or removing the platform's database is running.
    """

    mesh_role: Role
    platform_role: Role = Role.NONE
    platform_uid: str = ""
    state: State | None = None
    works_on_it: bool = False


class AccessBook:
    """Answers who may do what, for this service's own methods and for every other service."""

    def __init__(self, store: PlatformStore, mesh_roles: MeshRoles) -> None:
        self._store = store
        self._mesh_roles = mesh_roles

    async def look_up(self, user: str, platform: str = "", *, deleted: bool = False) -> Access:
        """The roles of `users/{id}`, on `platforms/{id}` too where one is named.

        The platform role is the highest of the user's own, that of all users, and admin for a mesh admin,
        whatever state the platform is in; a DELETED one is there for its admins only, with `deleted`.
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
        hidden = found.state is State.DELETED and not (deleted and role is Role.ADMIN)
        if role is Role.NONE or hidden:
            raise platform_not_found(platform)
        return Access(mesh_role, role, str(found.platform_uid), found.state, found.works_on_it)

    async def for_services(self, user: str, platform: str = "", method: str = "") -> Access:
        """The same for the services that hold a platform's data and answer questions about it.

        Those take nothing of a platform that is not ACTIVE, from nobody. The one exception is by
        `method`, the full gRPC path of what is being served: making the database of a platform that is being
        made, and removing that of one that is being deleted, or has been and is brought back, each for the
        user whose attempt is running.
        Raises PlatformNotActive beside what `look_up` raises.
        """
        found = await self.look_up(user, platform, deleted=method in _ATTEMPTS)
        is_the_attempt = found.works_on_it and found.state in _ATTEMPTS.get(method, ())
        if found.state is State.DELETED and not is_the_attempt:
            raise platform_not_found(platform)
        if found.state not in (None, State.ACTIVE) and not is_the_attempt:
            raise not_active(platform, found.state.name)
        return found

    async def after_deletion(self, user: str, platform: str) -> Access | None:
        """The access of a user to the platform that the same user deleted: enough to repeat that call.

        None where the user deleted none of that name with a request id in the last 24 hours.
        """
        uid: UUID | None = await self._store.deleted_by(user, platform_id_of(platform))
        if uid is None:
            return None
        return Access(await self._mesh_roles.mesh_role(user), Role.ADMIN, str(uid))
