"""Calls about users and signing keys."""
# ruff: noqa: A002 - `filter` is the contract's word

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Sequence

from aidatalabs.identity.v1 import identity_service_pb2 as pb
from aidatalabs.identity.v1 import user_pb2
from aidatalabs_client.connection import Connection


class IdentityCalls(Connection):
    """Who there is, and what tokens are signed with."""

    async def current_user(self) -> user_pb2.User:
        """Returns the user of the token."""
        return await self._call(self._identity.GetCurrentUser, pb.GetCurrentUserRequest())

    async def users(
        self, *, filter: str = "", order_by: str = "", page_size: int = 1000
    ) -> AsyncIterator[user_pb2.User]:
        """Yields the mesh's users page by page, for its admins; `filter='email = "ana@example.com"'`."""

        def page_of(page_token: str) -> Awaitable[pb.ListUsersResponse]:
            request = pb.ListUsersRequest(
                page_size=page_size, page_token=page_token, order_by=order_by, filter=filter
            )
            return self._call(self._identity.ListUsers, request)

        async for page in self._pages(page_of):
            for user in page.users:
                yield user

    async def list_users(self, *, filter: str = "", order_by: str = "") -> Sequence[user_pb2.User]:
        """Returns every user of the mesh, or those that `filter` finds; for admins of the mesh."""
        return [user async for user in self.users(filter=filter, order_by=order_by)]

    async def rotate_signing_key(self, *, request_id: str = "") -> Sequence[pb.SigningKey]:
        """Signs new tokens with a new key; returns the public keys there are, the new one first."""
        request = pb.RotateSigningKeyRequest(request_id=request_id or str(uuid.uuid4()))
        answer = await self._call(self._identity.RotateSigningKey, request)
        return answer.keys
