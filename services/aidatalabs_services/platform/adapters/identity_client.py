"""The identity service as the keeper of mesh roles and e-mails."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence

import grpc

from aidatalabs.identity.v1 import identity_service_pb2 as pb
from aidatalabs.identity.v1 import identity_service_pb2_grpc as pb_grpc
from aidatalabs_services.platform.ports import KnownUser
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import call_metadata, call_timeout, peer_errors

_KEEP_SECONDS = 4.0  # with the time of one question still within the 5 s in which a change takes effect
_ASK_SECONDS = 5.0
_ENTRIES = 10_000
_MEMBERS = 1000  # the contract's bound of one question


class IdentityMeshRoles:
    """MeshRoles over `IdentityService.GetCurrentUser`, asked with the caller's own token.

    Answers are kept for 4 seconds, refusals not at all; equal questions at the same time become one call.
    Raises ServiceUnavailable while the identity service cannot be reached and no answer is kept.
    """

    def __init__(self, channel: grpc.aio.Channel, *, keep_seconds: float = _KEEP_SECONDS) -> None:
        self._stub = pb_grpc.IdentityServiceStub(channel)
        self._keep_seconds = min(keep_seconds, _KEEP_SECONDS)
        self._kept: OrderedDict[str, tuple[float, Role]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Role]] = {}

    async def mesh_role(self, user: str) -> Role:
        """See MeshRoles; `user` is the caller of the running call."""
        kept = self._kept.get(user)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        task = self._asking.get(user)
        if task is None:
            # In a task of its own: a caller who goes away must not cancel it for the others who wait.
            task = self._asking[user] = asyncio.create_task(self._ask(user))
            task.add_done_callback(lambda done: self._forget(user, done))
        return await asyncio.shield(task)  # the call's own deadline ends this wait

    async def _ask(self, user: str) -> Role:
        asked = time.monotonic()
        with peer_errors("identity"):
            found = await self._stub.GetCurrentUser(
                pb.GetCurrentUserRequest(),
                timeout=min(call_timeout(), _ASK_SECONDS),
                metadata=call_metadata(),
            )
        role = Role(found.mesh_role)
        self._kept[user] = (asked + self._keep_seconds, role)
        self._kept.move_to_end(user)
        while len(self._kept) > _ENTRIES:
            self._kept.popitem(last=False)
        return role

    def _forget(self, user: str, task: asyncio.Task[Role]) -> None:
        self._asking.pop(user, None)
        if not task.cancelled():
            task.exception()  # read it, so that an error nobody waits for is not reported as lost


class IdentityUsers:
    """Users over `IdentityService.ResolveUsers`, asked with the caller's own token; nothing is kept."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = pb_grpc.IdentityServiceStub(channel)

    async def find(self, members: Sequence[str]) -> list[KnownUser]:
        """See Users; one call for each 1,000."""
        found: list[KnownUser] = []
        for start in range(0, len(members), _MEMBERS):
            request = pb.ResolveUsersRequest(members=members[start : start + _MEMBERS])
            with peer_errors("identity"):
                answer = await self._stub.ResolveUsers(
                    request, timeout=min(call_timeout(), _ASK_SECONDS), metadata=call_metadata()
                )
            found += [KnownUser(user.name, user.email) for user in answer.users]
        return found
