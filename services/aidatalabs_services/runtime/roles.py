"""Who may do what: the directory every service asks for its caller's roles.

The platform service keeps the memberships and passes an implementation of its own; the others ask it through
`RemoteRoleDirectory`, with the caller's own token, and keep an answer for at most five seconds. Methods that
only the platform service calls, to make and remove a platform's database, are asked about each time: what
they may do, no other method may.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

import grpc

from aidatalabs.common.v1 import access_service_pb2 as pb
from aidatalabs.common.v1 import access_service_pb2_grpc as pb_grpc
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import call_metadata, peer_errors
from aidatalabs_services.runtime.errors import PlatformNotFound, platform_not_found

_GOOD_SECONDS = 5.0
_MISSING_SECONDS = 1.0
_ENTRIES = 10_000
# Not the first caller's own time: others wait for the same answer.
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class ResolvedAccess:
    """The roles of one user at one moment; the platform's fields are empty when no platform was named."""

    user: str
    mesh_role: Role = Role.NONE
    platform_role: Role = Role.NONE
    platform_uid: str = ""


class RoleDirectory(Protocol):
    """What the access check asks."""

    async def resolve(self, token: str, user: str, platform: str | None, method: str = "") -> ResolvedAccess:
        """The roles of `user` (`users/{id}`), whose verified token is `token`.

        `platform` is `platforms/{id}` or None for the mesh alone. `method` is the full gRPC path of the
        method being served, given only where the platform service alone may call it. Raises PlatformNotFound
        where the platform is missing or the user is no member; returning `platform_role` NONE means the same.
        """
        ...


_Key = tuple[str, str]


class RemoteRoleDirectory:
    """Asks the platform service (`AccessService.ResolveAccess`) and remembers its answers for a short time.

    Answers live 5 s, refusals (no such platform) 1 s, both bounded in number; equal questions asked at the
    same time become one call. Raises ServiceUnavailable while the platform service cannot be reached.
    """

    def __init__(self, channel: grpc.aio.Channel, *, keep_seconds: float = _GOOD_SECONDS) -> None:
        self._stub = pb_grpc.AccessServiceStub(channel)
        self._keep_seconds = min(keep_seconds, _GOOD_SECONDS)
        self._kept: OrderedDict[_Key, tuple[float, ResolvedAccess | None]] = OrderedDict()
        self._asking: dict[_Key, asyncio.Task[ResolvedAccess | None]] = {}

    async def resolve(self, token: str, user: str, platform: str | None, method: str = "") -> ResolvedAccess:
        """See RoleDirectory. The key is the user, so that a new token of the same user asks nothing anew.

        With a `method` the platform service is asked in any case, and its answer is kept for nobody.
        """
        if method:
            return await self._ask_for_method(platform or "", method)
        key = (user, platform or "")
        kept = self._kept.get(key)
        found = kept[1] if kept and kept[0] > time.monotonic() else await self._ask_once(key)
        if found is None:
            raise platform_not_found(platform or "")
        return found

    async def _ask_for_method(self, platform: str, method: str) -> ResolvedAccess:
        """Such a call begins or ends the platform's life, so nothing that was kept of it holds any more."""
        found = await self._question(platform, method)
        for key in [key for key in self._kept if key[1] == platform]:
            del self._kept[key]
        return found

    async def _ask_once(self, key: _Key) -> ResolvedAccess | None:
        task = self._asking.get(key)
        if task is None:
            # The question runs in a task of its own (with this call's token and time): a caller who goes away
            # must not cancel it for the others who wait.
            task = asyncio.create_task(self._ask(key))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    def _forget(self, key: _Key, task: asyncio.Task[ResolvedAccess | None]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # read it, so that an error nobody waits for any more is not reported as lost

    async def _ask(self, key: _Key) -> ResolvedAccess | None:
        try:
            found = await self._question(key[1])
        except PlatformNotFound:
            self._keep(key, None, min(_MISSING_SECONDS, self._keep_seconds))
            return None
        self._keep(key, found, self._keep_seconds)
        return found

    async def _question(self, platform: str, method: str = "") -> ResolvedAccess:
        request = pb.ResolveAccessRequest(platform=platform, method=method)
        with peer_errors("platform"):
            answer = await self._stub.ResolveAccess(
                request, timeout=_ANSWER_SECONDS, metadata=call_metadata()
            )
        return ResolvedAccess(
            answer.user, Role(answer.mesh_role), Role(answer.platform_role), answer.platform_uid
        )

    def _keep(self, key: _Key, found: ResolvedAccess | None, seconds: float) -> None:
        self._kept[key] = (time.monotonic() + seconds, found)
        self._kept.move_to_end(key)
        while len(self._kept) > _ENTRIES:
            self._kept.popitem(last=False)
