"""Who may call what: the rows of the access table and the gate that applies them to a decoded message.

Every RPC of the contract has one row (`access_table.TABLE`). A method without a row is not served: the
process refuses to start, and the interceptors deny it. Nothing is decided on a URL: REST lets a query string
overwrite a path variable, so only the decoded message counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from aidatalabs_services.runtime.caller import Caller, Role
from aidatalabs_services.runtime.errors import (
    FieldViolation,
    InvalidRequest,
    PeerNotAllowed,
    PermissionDenied,
    PlatformNotFound,
    platform_not_found,
)
from aidatalabs_services.runtime.roles import RoleDirectory

_PLATFORM = re.compile(r"(platforms/[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:/(.+))?", re.DOTALL)
_PLATFORM_ALONE = ("platform",)
MIB = 1024 * 1024


class Scope(Enum):
    """On what the least role of a method is held."""

    OPEN = "open"  # no token needed
    SELF = "self"  # any valid token; the answer speaks only of its user; roles are not looked up
    MESH = "mesh"  # the caller's role on the mesh
    PLATFORM = "platform"  # the caller's role on the platform that the message names
    PLATFORM_OR_MESH = "platform_or_mesh"  # as PLATFORM; without a platform, mesh admins only


class Idempotency(Enum):
    """What a repeated call does; clients and channels retry READ by themselves."""

    READ = "read"  # changes nothing
    REQUEST_ID = "request_id"  # the request id makes a repetition harmless
    NATURAL = "natural"  # the same call twice leaves the same state (update, delete)
    NONE = "none"  # every call counts


@dataclass(frozen=True)
class MethodAccess:
    """One row of the access table.

    `method` is the full gRPC path (`/aidatalabs.data.v1.DataService/Query`). `platform_field` is the path of
    the field with the platform's name: `platform`, dotted for a nested one (`platform.name`), or a field
    whose value starts with it (`name` = `platforms/{id}/tables/…`). `deadline_seconds` holds even when the
    client sets none; `request_bytes` is the largest message. `peers` names the services that may call it.
    `queued` False: it takes none of the server's places. Either peers ask it for callers who hold a place
    elsewhere (two services that wait for each other's places would wait for ever), or the service bounds it
    by places of its own.
    """

    method: str
    scope: Scope
    least_role: Role = Role.VIEWER
    platform_field: str = "platform"
    idempotency: Idempotency = Idempotency.READ
    deadline_seconds: float = 10.0
    request_bytes: int = 16 * MIB
    rate_class: str = "standard"
    audited: bool = False
    peers: tuple[str, ...] = ()
    queued: bool = True


class AccessTableIncomplete(Exception):
    """The access table and the contract differ; the text names every method concerned."""


def check_complete(table: Sequence[MethodAccess], services: Iterable[ServiceDescriptor]) -> None:
    """Compares the table with the RPCs of `services`; raises AccessTableIncomplete on any difference.

    Refused: an RPC without a row, a row without an RPC, two rows for one method, a platform field that the
    request type does not have, and a deadline or size that is not positive.
    """
    methods = {
        f"/{service.full_name}/{method.name}": method.input_type
        for service in services
        for method in service.methods
    }
    rows = [row.method for row in table]
    wrong = [f"{method}: no row in the access table" for method in methods if method not in set(rows)]
    wrong += [f"{row}: no such RPC in the contract" for row in rows if row not in methods]
    wrong += [f"{row}: more than one row" for row in sorted({row for row in rows if rows.count(row) > 1})]
    for row in table:
        if row.deadline_seconds <= 0 or row.request_bytes <= 0:
            wrong.append(f"{row.method}: deadline and size must be positive")
        on_platform = row.scope in (Scope.PLATFORM, Scope.PLATFORM_OR_MESH) and row.method in methods
        if on_platform and not _has_text_field(methods[row.method], row.platform_field):
            wrong.append(f"{row.method}: its request has no text field {row.platform_field!r}")
    if wrong:
        raise AccessTableIncomplete("The access table does not fit the contract:\n  " + "\n  ".join(wrong))


def _has_text_field(message: Descriptor | None, path: str) -> bool:
    field: FieldDescriptor | None = None
    for name in path.split("."):
        field = message.fields_by_name.get(name) if message is not None else None
        message = field.message_type if field is not None else None
    return field is not None and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated


def platform_of(row: MethodAccess, message: Message) -> str:
    """The `platforms/{id}` that a message names, or an empty string where the field is empty.

    Raises InvalidRequest for anything that is not such a name.
    """
    value: object = message
    for name in row.platform_field.split("."):
        value = getattr(value, name)
    if value == "":
        return ""
    found = _PLATFORM.fullmatch(str(value))
    exact = row.platform_field.rsplit(".", 1)[-1] == "platform"
    if found is None or (exact and found[2]):
        raise _no_platform(row.platform_field)
    return found[1]


def _no_platform(field: str) -> InvalidRequest:
    violation = FieldViolation(field, "must name a platform as platforms/{id}; id is [a-z][a-z0-9-]*")
    return InvalidRequest(
        f"The field {field} names no platform. Set it to platforms/{{id}}.", violations=[violation]
    )


def check_peer(row: MethodAccess, peer: str) -> None:
    """Raises PeerNotAllowed unless `peer`, the name in the caller's certificate, is one of the row's."""
    if peer not in row.peers:
        raise PeerNotAllowed(
            "The certificate of this connection is none that may call this method. Call it through the edge.",
            metadata={"peer": peer},
        )


class Gate:
    """Applies a row to a caller and a decoded message."""

    def __init__(self, roles: RoleDirectory) -> None:
        self._roles = roles

    async def admit(self, row: MethodAccess, caller: Caller, message: Message | None) -> Caller:
        """The caller with the roles that count for this call.

        `message` may be None only for scopes that name no platform. Raises PermissionDenied (role too low),
        PlatformNotFound (missing, or the caller is no member: the same answer) or InvalidRequest.
        """
        if row.scope in (Scope.OPEN, Scope.SELF):
            return caller
        if row.scope is Scope.MESH or message is None:
            return await self._admit_to_mesh(row.least_role, caller)
        platform = platform_of(row, message)
        if platform:
            return await self._admit_to_platform(row, caller, platform)
        if row.scope is Scope.PLATFORM_OR_MESH:
            return await self._admit_to_mesh(Role.ADMIN, caller)
        raise _no_platform(row.platform_field)

    async def _admit_to_mesh(self, least: Role, caller: Caller) -> Caller:
        found = await self._roles.resolve(caller.token, caller.user, None)
        if found.mesh_role < least:
            raise _too_low(least, found.mesh_role, "the mesh")
        return replace(caller, mesh_role=found.mesh_role)

    async def _admit_to_platform(self, row: MethodAccess, caller: Caller, platform: str) -> Caller:
        # What only the platform service calls has rights of its own on a platform that is not ACTIVE.
        method = row.method if row.peers == _PLATFORM_ALONE else ""
        try:
            found = await self._roles.resolve(caller.token, caller.user, platform, method)
        except PlatformNotFound:
            raise platform_not_found(platform) from None
        role = Role.ADMIN if found.mesh_role is Role.ADMIN else found.platform_role
        if role is Role.NONE or not found.platform_uid:
            raise platform_not_found(platform)
        if role < row.least_role:
            raise _too_low(row.least_role, role, platform)
        return replace(
            caller,
            mesh_role=found.mesh_role,
            platform=platform,
            platform_uid=found.platform_uid,
            platform_role=role,
        )


def _too_low(needed: Role, have: Role, where: str) -> PermissionDenied:
    return PermissionDenied(
        f"This needs the role {needed.name.lower()} on {where}; yours is {have.name.lower()}. "
        "Ask an admin of it for that role.",
        metadata={"needed_role": needed.name.lower(), "role": have.name.lower(), "on": where.split()[-1]},
    )
