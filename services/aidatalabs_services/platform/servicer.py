"""platform.proto and access_service.proto to the domain and back."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from aidatalabs.common.v1 import access_service_pb2 as access_pb
from aidatalabs.common.v1 import access_service_pb2_grpc as access_pb_grpc
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2 as pb
from aidatalabs.platform.v1 import platform_service_pb2_grpc as pb_grpc
from aidatalabs_services.platform.access import AccessBook
from aidatalabs_services.platform.creation import PlatformCreation
from aidatalabs_services.platform.deletion import PlatformDeletion
from aidatalabs_services.platform.messages import (
    change_of,
    draft_of,
    listing_of,
    member_message,
    member_of,
    platform_message,
    role_number,
)
from aidatalabs_services.platform.undeletion import PlatformUndeletion
from aidatalabs_services.platform.updates import PlatformUpdates
from aidatalabs_services.platform.workspaces import Workspaces
from aidatalabs_services.runtime.caller import current_caller
from aidatalabs_services.runtime.paging import page_position, page_size, page_token

Context = grpc.aio.ServicerContext[Any, Any]


class PlatformServicer(pb_grpc.PlatformServiceServicer):
    """Answers about platforms; the gate has checked the caller's role."""

    def __init__(
        self,
        creation: PlatformCreation,
        updates: PlatformUpdates,
        deletion: PlatformDeletion,
        undeletion: PlatformUndeletion,
        workspaces: Workspaces,
    ) -> None:
        self._creation = creation
        self._updates = updates
        self._deletion = deletion
        self._undeletion = undeletion
        self._workspaces = workspaces

    async def CreatePlatform(
        self, request: pb.CreatePlatformRequest, context: Context
    ) -> platform_pb2.Platform:
        """A new platform, or the first answer again."""
        draft = draft_of(request.platform_id, request.platform)
        created = await self._creation.create(current_caller().user, draft, request.request_id)
        return platform_message(created)

    async def GetPlatform(self, request: pb.GetPlatformRequest, context: Context) -> platform_pb2.Platform:
        """One platform."""
        found = await self._workspaces.get(current_caller(), deleted=request.show_deleted)
        return platform_message(found)

    async def ListPlatforms(
        self, request: pb.ListPlatformsRequest, context: Context
    ) -> pb.ListPlatformsResponse:
        """One page of the platforms that the caller can see."""
        size = page_size(request.page_size)
        listing, parameters = listing_of(request.filter, request.order_by, deleted=request.show_deleted)
        after = listing.after(page_position(request.page_token, parameters))
        found = await self._workspaces.page(current_caller(), listing, after, size + 1)
        token = page_token(listing.position(found[size - 1]), parameters) if len(found) > size else ""
        return pb.ListPlatformsResponse(
            platforms=[platform_message(platform) for platform in found[:size]], next_page_token=token
        )

    async def UpdatePlatform(
        self, request: pb.UpdatePlatformRequest, context: Context
    ) -> platform_pb2.Platform:
        """The platform with its new content, or the first answer again."""
        change = change_of(request.platform, request.update_mask.paths)
        updated = await self._updates.update(current_caller(), change, request.request_id)
        return platform_message(updated)

    async def DeletePlatform(self, request: pb.DeletePlatformRequest, context: Context) -> Empty:
        """Answers when the platform is out of sight, or gone."""
        await self._deletion.delete(current_caller(), request.etag, request.request_id, purge=request.purge)
        return Empty()

    async def UndeletePlatform(
        self, request: pb.UndeletePlatformRequest, context: Context
    ) -> platform_pb2.Platform:
        """The platform, there again."""
        return platform_message(await self._undeletion.undelete(current_caller()))

    async def SetMember(self, request: pb.SetMemberRequest, context: Context) -> platform_pb2.Member:
        """The member with the role from now on."""
        return member_message(await self._workspaces.set_member(current_caller(), member_of(request.member)))

    async def RemoveMember(self, request: pb.RemoveMemberRequest, context: Context) -> Empty:
        """The member has no role of its own from now on."""
        await self._workspaces.remove_member(current_caller(), request.member)
        return Empty()

    async def ListMembers(self, request: pb.ListMembersRequest, context: Context) -> pb.ListMembersResponse:
        """Everybody with a role."""
        members = await self._workspaces.members(current_caller())
        return pb.ListMembersResponse(members=[member_message(member) for member in members])


class AccessServicer(access_pb_grpc.AccessServiceServicer):
    """Tells other services what their caller may do."""

    def __init__(self, access: AccessBook) -> None:
        self._access = access

    async def ResolveAccess(
        self, request: access_pb.ResolveAccessRequest, context: Context
    ) -> access_pb.ResolveAccessResponse:
        """The roles of the token's user."""
        user = current_caller().user
        found = await self._access.for_services(user, request.platform, request.method)
        return access_pb.ResolveAccessResponse(
            user=user,
            mesh_role=role_number(found.mesh_role),
            platform_role=role_number(found.platform_role),
            platform_uid=found.platform_uid,
        )
