"""Calls about platforms and who may use them."""
# ruff: noqa: A002 - `filter` is the contract's word

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Sequence

from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2 as pb
from aidatalabs_client.connection import Connection


class PlatformCalls(Connection):
    """Platforms, their life and their members."""

    async def create_platform(
        self, platform_id: str, display_name: str = "", *, request_id: str = ""
    ) -> platform_pb2.Platform:
        """Creates a platform; an empty id lets the service choose one."""
        request = pb.CreatePlatformRequest(
            platform_id=platform_id,
            platform=platform_pb2.Platform(display_name=display_name),
            request_id=request_id or str(uuid.uuid4()),
        )
        return await self._call(self._platform.CreatePlatform, request)

    async def get_platform(self, name: str, *, show_deleted: bool = False) -> platform_pb2.Platform:
        """Returns the platform `platforms/{id}`, with `show_deleted` also one that can be brought back."""
        request = pb.GetPlatformRequest(name=name, show_deleted=show_deleted)
        return await self._call(self._platform.GetPlatform, request)

    async def platforms(
        self, *, filter: str = "", order_by: str = "", page_size: int = 1000, show_deleted: bool = False
    ) -> AsyncIterator[platform_pb2.Platform]:
        """Yields the platforms the caller may see, page by page; `order_by="create_time desc"`.

        With `show_deleted` also deleted ones that the caller can bring back, each with its purge_time.
        """

        def page_of(page_token: str) -> Awaitable[pb.ListPlatformsResponse]:
            request = pb.ListPlatformsRequest(
                page_size=page_size,
                page_token=page_token,
                order_by=order_by,
                filter=filter,
                show_deleted=show_deleted,
            )
            return self._call(self._platform.ListPlatforms, request)

        async for page in self._pages(page_of):
            for platform in page.platforms:
                yield platform

    async def list_platforms(
        self, *, filter: str = "", order_by: str = "", show_deleted: bool = False
    ) -> Sequence[platform_pb2.Platform]:
        """Returns every platform the caller may see, or those that `filter` finds."""
        found = self.platforms(filter=filter, order_by=order_by, show_deleted=show_deleted)
        return [platform async for platform in found]

    async def update_platform(
        self, platform: platform_pb2.Platform, *, paths: Sequence[str] = (), request_id: str = ""
    ) -> platform_pb2.Platform:
        """Changes display_name and config, or what `paths` names of them; a set etag must still match."""
        request = pb.UpdatePlatformRequest(platform=platform, request_id=request_id or str(uuid.uuid4()))
        if paths:
            request.update_mask.paths.extend(paths)
        return await self._call(self._platform.UpdatePlatform, request)

    async def delete_platform(
        self, name: str, *, etag: str = "", request_id: str = "", purge: bool = False
    ) -> None:
        """Deletes a platform with all its data; only the version that `etag` names, where set.

        `undelete_platform` brings it back within the grace period; with `purge` nothing can.
        """
        request = pb.DeletePlatformRequest(
            name=name, etag=etag, request_id=request_id or str(uuid.uuid4()), purge=purge
        )
        await self._call(self._platform.DeletePlatform, request)

    async def undelete_platform(self, name: str) -> platform_pb2.Platform:
        """Brings a deleted platform back with its rows, members and backups."""
        return await self._call(self._platform.UndeletePlatform, pb.UndeletePlatformRequest(name=name))

    async def list_members(self, platform: str) -> Sequence[platform_pb2.Member]:
        """Returns everybody with a role on the platform, the owner first."""
        answer = await self._call(self._platform.ListMembers, pb.ListMembersRequest(platform=platform))
        return answer.members

    async def remove_member(self, platform: str, member: str) -> None:
        """Takes the role of `users/{id}` or `allUsers` on the platform away."""
        request = pb.RemoveMemberRequest(platform=platform, member=member)
        await self._call(self._platform.RemoveMember, request)

    async def set_member(self, platform: str, member: platform_pb2.Member) -> platform_pb2.Member:
        """Gives a user, or `allUsers`, a role on the platform."""
        request = pb.SetMemberRequest(platform=platform, member=member)
        return await self._call(self._platform.SetMember, request)
