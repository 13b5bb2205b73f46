"""The agent service as the keeper of platforms' conversations and lessons."""

from __future__ import annotations

from datetime import datetime

import grpc

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs.agent.v1 import agent_service_pb2_grpc as pb_grpc
from aidatalabs_services.runtime.channels import call_metadata, call_timeout, peer_errors

_MARGIN_SECONDS = 0.5  # what is left to write down how the attempt ended
METHODS = (
    "/aidatalabs.agent.v1.AgentService/PurgePlatform",
    "/aidatalabs.agent.v1.AgentService/KeepPlatform",
)
"""Both may be repeated while the agent service starts."""


class AgentPlatformRecords:
    """PlatformRecords over the agent service's two methods for it, as the caller and in the time left."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = pb_grpc.AgentServiceStub(channel)

    async def remove(self, platform: str, purge_time: datetime | None = None) -> None:
        """See PlatformRecords."""
        request = pb.PurgePlatformRequest(platform=platform)
        if purge_time is not None:
            request.purge_time.FromDatetime(purge_time)
        with peer_errors("agent"):
            await self._stub.PurgePlatform(
                request, timeout=call_timeout(_MARGIN_SECONDS), metadata=call_metadata()
            )

    async def keep(self, platform: str) -> None:
        """See PlatformRecords."""
        with peer_errors("agent"):
            await self._stub.KeepPlatform(
                pb.KeepPlatformRequest(platform=platform),
                timeout=call_timeout(_MARGIN_SECONDS),
                metadata=call_metadata(),
            )
