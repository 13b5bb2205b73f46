"""What the fake server keeps in memory: platforms, members, tables, rows, users."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from google.protobuf import empty_pb2
from google.protobuf.struct_pb2 import Struct

from aidatalabs.common.v1.access_service_pb2 import ROLE_ADMIN
from aidatalabs.data.v1 import ingest_pb2, rollup_pb2, table_pb2
from aidatalabs.identity.v1 import identity_service_pb2 as identity_pb
from aidatalabs.identity.v1 import user_pb2
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2 as platform_pb
from aidatalabs_client.testing.refusals import Failure, invalid, not_found, taken

_Item = TypeVar("_Item")
EVENTS = table_pb2.Table(
    name="events",
    columns=[
        table_pb2.Column(name="timestamp", type="DateTime64(3)"),
        table_pb2.Column(name="event_type", type="String"),
        table_pb2.Column(name="user_id", type="UInt64"),
        table_pb2.Column(name="properties", type="JSON"),
        table_pb2.Column(name="value", type="Float64"),
    ],
    order_by=["timestamp", "event_type"],
)
ME = user_pb2.User(name=f"users/{uuid.UUID(int=1)}", email="ana@example.com")


@dataclass
class Kept:
    """A table with its rows in Python values."""

    table: table_pb2.Table
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Space:
    """A platform with all that is in it."""

    platform: platform_pb2.Platform
    members: dict[str, platform_pb2.Member] = field(default_factory=dict)
    tables: dict[str, Kept] = field(default_factory=dict)
    rollups: dict[str, rollup_pb2.Rollup] = field(default_factory=dict)
    dropped: dict[str, Kept] = field(default_factory=dict)
    receipts: dict[tuple[str, str], tuple[bytes, ingest_pb2.Receipt]] = field(default_factory=dict)
    letters: dict[str, tuple[str, str, Struct]] = field(default_factory=dict)  # table, reason, row by id


class Workspace:
    """All platforms of the fake server."""

    def __init__(self, platforms: Sequence[str]) -> None:
        self._spaces: dict[str, Space] = {}
        self._deleted: dict[str, Space] = {}
        for name in platforms:
            self.add(name, name)

    def space(self, name: str) -> Space:
        """A platform. Raises Failure where there is none."""
        if name not in self._spaces:
            raise not_found("PLATFORM_NOT_FOUND", f"The fake server has no platform {name!r}.", platform=name)
        return self._spaces[name]

    def kept(self, platform: str, table: str) -> Kept:
        """A table. Raises Failure where there is none."""
        tables = self.space(platform).tables
        if table not in tables:
            raise not_found("TABLE_NOT_FOUND", f"{platform} has no table {table!r}.", table=table)
        return tables[table]

    def add(self, name: str, display_name: str) -> Space:
        """Makes a platform with the standard table, owned by the one user there is."""
        platform = platform_pb2.Platform(
            name=name,
            uid=str(uuid.uuid4()),
            display_name=display_name,
            state=platform_pb2.Platform.ACTIVE,
            owner=ME.name,
            etag=uuid.uuid4().hex,
        )
        space = Space(platform, {ME.name: platform_pb2.Member(member=ME.name, role=ROLE_ADMIN)})
        space.tables["events"] = Kept(copied(EVENTS))
        self._spaces[name] = space
        return space

    async def create_platform(self, request: platform_pb.CreatePlatformRequest) -> platform_pb2.Platform:
        """PlatformService.CreatePlatform."""
        name = f"platforms/{request.platform_id or 'p-' + uuid.uuid4().hex[:8]}"
        if name in self._deleted:
            raise taken("PLATFORM_DELETED", f"{name} was deleted and can be brought back.", platform=name)
        if name in self._spaces:
            raise taken("PLATFORM_ALREADY_EXISTS", f"{name} is taken.", platform=name)
        return self.add(name, request.platform.display_name or name.partition("/")[2]).platform

    async def get_platform(self, request: platform_pb.GetPlatformRequest) -> platform_pb2.Platform:
        """PlatformService.GetPlatform."""
        return self.space(request.name).platform

    async def list_platforms(
        self, request: platform_pb.ListPlatformsRequest
    ) -> platform_pb.ListPlatformsResponse:
        """PlatformService.ListPlatforms."""
        found, token = page([space.platform for space in self._spaces.values()], request)
        return platform_pb.ListPlatformsResponse(platforms=found, next_page_token=token)

    async def update_platform(self, request: platform_pb.UpdatePlatformRequest) -> platform_pb2.Platform:
        """PlatformService.UpdatePlatform."""
        platform = self._matching(request.platform.name, request.platform.etag).platform
        paths = request.update_mask.paths or ("display_name", "config")
        if "display_name" in paths:
            platform.display_name = request.platform.display_name
        if "config" in paths:
            platform.config.CopyFrom(request.platform.config)
        platform.etag = uuid.uuid4().hex
        return platform

    async def delete_platform(self, request: platform_pb.DeletePlatformRequest) -> empty_pb2.Empty:
        """PlatformService.DeletePlatform."""
        if request.purge and request.name in self._deleted:
            del self._deleted[request.name]
            return empty_pb2.Empty()
        self._matching(request.name, request.etag)
        space = self._spaces.pop(request.name)
        if not request.purge:
            self._deleted[request.name] = space
        return empty_pb2.Empty()

    async def undelete_platform(self, request: platform_pb.UndeletePlatformRequest) -> platform_pb2.Platform:
        """PlatformService.UndeletePlatform."""
        if request.name in self._deleted:
            self._spaces[request.name] = self._deleted.pop(request.name)
        return self.space(request.name).platform

    def _matching(self, name: str, etag: str) -> Space:
        space = self.space(name)
        if etag and etag != space.platform.etag:
            raise Failure("ABORTED", "ETAG_MISMATCH", f"{name} was changed since it was read.")
        return space

    async def set_member(self, request: platform_pb.SetMemberRequest) -> platform_pb2.Member:
        """PlatformService.SetMember."""
        self.space(request.platform).members[request.member.member] = request.member
        return request.member

    async def remove_member(self, request: platform_pb.RemoveMemberRequest) -> empty_pb2.Empty:
        """PlatformService.RemoveMember."""
        self.space(request.platform).members.pop(request.member, None)
        return empty_pb2.Empty()

    async def list_members(self, request: platform_pb.ListMembersRequest) -> platform_pb.ListMembersResponse:
        """PlatformService.ListMembers."""
        return platform_pb.ListMembersResponse(members=self.space(request.platform).members.values())

    async def get_current_user(self, request: identity_pb.GetCurrentUserRequest) -> user_pb2.User:
        """IdentityService.GetCurrentUser: whatever the token, the one user there is."""
        return ME

    async def list_users(self, request: identity_pb.ListUsersRequest) -> identity_pb.ListUsersResponse:
        """IdentityService.ListUsers."""
        found, token = page([ME], request)
        return identity_pb.ListUsersResponse(users=found, next_page_token=token)

    async def rotate_signing_key(
        self, request: identity_pb.RotateSigningKeyRequest
    ) -> identity_pb.RotateSigningKeyResponse:
        """IdentityService.RotateSigningKey: a key that signs nothing."""
        return identity_pb.RotateSigningKeyResponse(keys=[identity_pb.SigningKey(key_id=uuid.uuid4().hex)])


def copied(table: table_pb2.Table) -> table_pb2.Table:
    """A message of its own with the same content."""
    made = table_pb2.Table()
    made.CopyFrom(table)
    return made


def page(items: Sequence[_Item], request: Any) -> tuple[Sequence[_Item], str]:
    """One page of a list and where the next begins. Raises Failure for what the fake does not do."""
    if request.filter or request.order_by:
        raise invalid("INVALID_REQUEST", "The fake server neither filters nor orders lists.")
    if not (request.page_token or "0").isdecimal():
        raise invalid("PAGE_TOKEN_INVALID", "The page token is not one of this list.")
    start, size = int(request.page_token or 0), request.page_size or 100
    end = start + size
    return items[start:end], str(end) if end < len(items) else ""
