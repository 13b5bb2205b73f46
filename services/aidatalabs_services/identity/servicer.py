"""identity.proto to the user directory and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from uuid import UUID

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from aidatalabs.common.v1 import access_service_pb2 as access_pb
from aidatalabs.identity.v1 import identity_service_pb2 as pb
from aidatalabs.identity.v1 import identity_service_pb2_grpc as pb_grpc
from aidatalabs.identity.v1 import user_pb2
from aidatalabs_services.identity.directory import UserDirectory
from aidatalabs_services.identity.users import User
from aidatalabs_services.runtime.caller import current_call, current_caller
from aidatalabs_services.runtime.errors import PageTokenInvalid, not_built_yet
from aidatalabs_services.runtime.paging import page_position, page_size, page_token

Context = grpc.aio.ServicerContext[Any, Any]

_LIST = {"list": "users"}


class IdentityServicer(pb_grpc.IdentityServiceServicer):
    """Answers about users; identity comes from the token alone."""

    def __init__(self, users: UserDirectory) -> None:
        self._users = users

    async def GetCurrentUser(self, request: pb.GetCurrentUserRequest, context: Context) -> user_pb2.User:
        """The user of the token."""
        return _message(await self._users.current(current_caller().user))

    async def ListUsers(self, request: pb.ListUsersRequest, context: Context) -> pb.ListUsersResponse:
        """One page of users, oldest first."""
        size = page_size(request.page_size)
        users = await self._users.page(_after(request.page_token), size + 1)
        more = len(users) > size
        users = users[:size]
        token = page_token(_position(users[-1]), _LIST) if more else ""
        return pb.ListUsersResponse(users=[_message(user) for user in users], next_page_token=token)

    async def RotateSigningKey(
        self, request: pb.RotateSigningKeyRequest, context: Context
    ) -> pb.RotateSigningKeyResponse:
        """Not built yet."""
        raise not_built_yet(current_call().method)


def _position(user: User) -> tuple[str, str]:
    return user.create_time.isoformat(), str(user.id)


def _after(token: str) -> tuple[datetime, UUID] | None:
    position = page_position(token, _LIST)
    if position is None:
        return None
    try:
        moment, user_id = position
        after = datetime.fromisoformat(str(moment)), UUID(str(user_id))
    except ValueError:
        raise PageTokenInvalid(
            "page_token does not belong to this list. Leave it out to start again."
        ) from None
    if after[0].tzinfo is None:
        raise PageTokenInvalid("page_token does not belong to this list. Leave it out to start again.")
    return after


def _message(user: User) -> user_pb2.User:
    created = Timestamp()
    created.FromDatetime(user.create_time)
    return user_pb2.User(
        name=user.name,
        email=user.email,
        mesh_role=cast("access_pb.Role.ValueType", user.mesh_role.value),
        subscription_tier=user.subscription_tier,
        create_time=created,
    )
