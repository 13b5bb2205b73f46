"""Health of every service of the mesh at one place: own names are known, those of peers are asked for.

The edge sends `grpc.health.v1.Health` to one service; that one is told where its peers are
(`peer_addresses`), so that a client of the one port may ask for any service by its full name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse as Answer

from aidatalabs_services.runtime.channels import open_channel
from aidatalabs_services.runtime.tls import TlsFiles

_ASK_SECONDS = 1.0
_KEEP_SECONDS = 0.5
_WATCH_SECONDS = 1.0

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class MeshHealth:
    """The standard health service, which also answers for the services of `peers`.

    It is SERVING or not for its `own` names and for the server as a whole (the empty name). `peers` maps a
    service (`agent`) to its address; it answers for the proto services of its package
    (`aidatalabs.agent.v1.AgentService`) among `contract`. A peer that does not answer within a second is
    NOT_SERVING. Answers are kept for half a second, and equal questions become one, because nobody needs a
    token to ask.
    """

    def __init__(
        self,
        own: Sequence[str],
        contract: Collection[str],
        peers: Mapping[str, str],
        tls: TlsFiles | None,
    ) -> None:
        self._own = own
        self._contract = contract
        self._servicer = health.aio.HealthServicer()
        self._peers = peers
        self._tls = tls
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._asked: dict[str, tuple[float, asyncio.Task[Answer]]] = {}

    async def Check(  # noqa: N802 - the name is the contract's
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> Answer:
        """The status of one service; NOT_FOUND for a name that is none of the mesh's."""
        if self._is_a_peers(request.service):
            return await self._ask_once(request.service)
        own: Answer = await self._servicer.Check(request, context)
        return own

    async def Watch(  # noqa: N802 - the name is the contract's
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> None:
        """The status of one service and its every change; a peer is looked at once a second."""
        if not self._is_a_peers(request.service):
            await self._servicer.Watch(request, context)
            return
        last: Answer | None = None
        while True:
            answer = await self._ask_once(request.service)
            if answer != last:
                await context.write(answer)
            last = answer
            await asyncio.sleep(_WATCH_SECONDS)

    async def List(  # noqa: N802 - the name is the contract's
        self, _request: health_pb2.HealthListRequest, context: Context
    ) -> health_pb2.HealthListResponse:
        """The status of every service that Check knows."""
        names = ["", *self._own, *filter(self._is_a_peers, sorted(self._contract))]
        answers = await asyncio.gather(
            *(self.Check(health_pb2.HealthCheckRequest(service=name), context) for name in names)
        )
        return health_pb2.HealthListResponse(statuses=dict(zip(names, answers, strict=True)))

    async def serving(self, yes: bool) -> None:
        """Sets the status of the server and of its own names."""
        for name in ("", *self._own):
            await self._servicer.set(name, Answer.SERVING if yes else Answer.NOT_SERVING)

    async def drain(self) -> None:
        """Sets NOT_SERVING for good."""
        await self._servicer.enter_graceful_shutdown()

    async def close(self) -> None:
        """Closes the channels to peers."""
        for channel in self._channels.values():
            await channel.close()

    def _is_a_peers(self, name: str) -> bool:
        return name in self._contract and name not in self._own and _owner(name) in self._peers

    async def _ask_once(self, name: str) -> Answer:
        until, task = self._asked.get(name, (0.0, None))
        if task is None or (task.done() and until < time.monotonic()):
            task = asyncio.create_task(self._ask(name))
            self._asked[name] = (time.monotonic() + _KEEP_SECONDS, task)
        return await asyncio.shield(task)

    async def _ask(self, name: str) -> Answer:
        owner = _owner(name)
        channel = self._channels.get(owner)
        if channel is None:
            channel = open_channel(self._peers[owner], service=owner, tls=self._tls)
            self._channels[owner] = channel
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            return await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=_ASK_SECONDS)
        except grpc.aio.AioRpcError:
            return Answer(status=Answer.NOT_SERVING)


def _owner(name: str) -> str:
    """The service of a proto service: `agent` of `aidatalabs.agent.v1.AgentService`."""
    parts = name.split(".")
    return parts[1] if len(parts) > 2 else ""
