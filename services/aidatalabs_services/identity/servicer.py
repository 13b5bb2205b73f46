"""identity.proto to the user directory and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from aidatalabs.common.v1 import access_service_pb2 as access_pb
from aidatalabs.identity.v1 import identity_service_pb2 as pb
from aidatalabs.identity.v1 import identity_service_pb2_grpc as pb_grpc
from aidatalabs.identity.v1 import user_pb2
from aidatalabs_services.identity.directory import UserDirectory
from aidatalabs_services.identity.keys import PublicKey
from aidatalabs_services.identity.rotation import KeyRotation
from aidatalabs_services.identity.users import User, UserQuery
from aidatalabs_services.runtime.caller import current_caller
from aidatalabs_services.runtime.errors import PageTokenInvalid
from aidatalabs_services.runtime.filters import FieldKind, parse_filter, parse_order, render_filter
from aidatalabs_services.runtime.paging import Position, page_position, page_size, page_token

Context = grpc.aio.ServicerContext[Any, Any]

_FILTERS = {
    "email": FieldKind.TEXT,
    "role": FieldKind.CHOICE("NONE", "VIEWER", "EDITOR", "ADMIN"),
    "create_time": FieldKind.TIMESTAMP,
}
_ORDERS: tuple[Literal["create_time", "email"], ...] = ("create_time", "email")


class IdentityServicer(pb_grpc.IdentityServiceServicer):
    """Answers about users and keys; identity comes from the token alone."""

    def __init__(self, users: UserDirectory, rotation: KeyRotation) -> None:
        self._users = users
        self._rotation = rotation

    async def GetCurrentUser(self, request: pb.GetCurrentUserRequest, context: Context) -> user_pb2.User:
        """The user of the token."""
        return _message(await self._users.current(current_caller().user))

    async def ListUsers(self, request: pb.ListUsersRequest, context: Context) -> pb.ListUsersResponse:
        """One page of the users that fit the filter, in the order asked for."""
        size = page_size(request.page_size)
        query, parameters = _query(request)
        users = await self._users.page(query, size + 1)
        more = len(users) > size
        users = users[:size]
        token = page_token(_position(query, users[-1]), parameters) if more else ""
        return pb.ListUsersResponse(users=[_message(user) for user in users], next_page_token=token)

    async def ResolveUsers(
        self, request: pb.ResolveUsersRequest, context: Context
    ) -> pb.ResolveUsersResponse:
        """Who these e-mails and names belong to; the calling service says what its caller learns of it."""
        users = await self._users.resolve(request.members)
        return pb.ResolveUsersResponse(users=[_message(user) for user in users])

    async def RotateSigningKey(
        self, request: pb.RotateSigningKeyRequest, context: Context
    ) -> pb.RotateSigningKeyResponse:
        """Signs with the next key."""
        keys = await self._rotation.rotate(current_caller().user, request.request_id)
        return pb.RotateSigningKeyResponse(keys=[_key_message(key) for key in keys])


def _query(request: pb.ListUsersRequest) -> tuple[UserQuery, dict[str, str]]:
    """The query of a request, and what its page tokens are bound to."""
    conditions = parse_filter(request.filter, _FILTERS)
    order = parse_order(request.order_by, _ORDERS, "create_time")
    parameters = {
        "list": "users",
        "filter": render_filter(conditions),
        "order_by": f"{order.field} desc" if order.descending else order.field,
    }
    field: Literal["create_time", "email"] = "email" if order.field == "email" else "create_time"
    query = UserQuery(conditions, field, order.descending)
    return replace(query, after=_after(query, page_position(request.page_token, parameters))), parameters


def _position(query: UserQuery, user: User) -> tuple[str, str]:
    key, user_id = query.place_of(user)
    return (key.isoformat() if isinstance(key, datetime) else key), str(user_id)


def _after(query: UserQuery, position: Position | None) -> tuple[datetime | str, UUID] | None:
    if position is None:
        return None
    try:
        text, user_id = map(str, position)
        if query.order == "email":
            return text, UUID(user_id)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
        return moment, UUID(user_id)
    except ValueError:
        raise PageTokenInvalid(
            "page_token does not belong to this list. Leave it out to start again."
        ) from None


def _key_message(key: PublicKey) -> pb.SigningKey:
    return pb.SigningKey(
        key_id=key.kid,
        create_time=_timestamp(key.create_time),
        expire_time=_timestamp(key.expire_time) if key.expire_time else None,
    )


def _timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _message(user: User) -> user_pb2.User:
    return user_pb2.User(
        name=user.name,
        email=user.email,
        mesh_role=cast("access_pb.Role.ValueType", user.mesh_role.value),
        subscription_tier=user.subscription_tier,
        create_time=_timestamp(user.create_time),
    )
