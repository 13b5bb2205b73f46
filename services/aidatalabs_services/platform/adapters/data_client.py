"""The data service as the maker and remover of platforms' databases."""

from __future__ import annotations

from datetime import datetime

import grpc

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.runtime.channels import call_metadata, call_timeout, peer_errors

_MARGIN_SECONDS = 0.5  # what is left to write down how the attempt ended


class DataPlatformDatabases:
    """PlatformDatabases over the data service's two methods for it, as the caller and in the time left."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = pb_grpc.DataServiceStub(channel)

    async def provision(self, platform: str) -> None:
        """See PlatformDatabases."""
        with peer_errors("data"):
            await self._stub.ProvisionPlatform(
                pb.ProvisionPlatformRequest(platform=platform),
                timeout=call_timeout(_MARGIN_SECONDS),
                metadata=call_metadata(),
            )

    async def deprovision(self, platform: str, purge_time: datetime | None = None) -> None:
        """See PlatformDatabases."""
        request = pb.DeprovisionPlatformRequest(platform=platform)
        if purge_time is not None:
            request.purge_time.FromDatetime(purge_time)
        with peer_errors("data"):
            await self._stub.DeprovisionPlatform(
                request,
                timeout=call_timeout(_MARGIN_SECONDS),
                metadata=call_metadata(),
            )
