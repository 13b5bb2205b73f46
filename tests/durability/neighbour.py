"""Somebody else of the same service while it is overloaded: small calls, one after the other, on a platform
of their own. None of them may be refused.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_client.errors import ApiError
from tests.durability.events import ROWS, BatchOf
from tests.durability.worlds import Tenant

SERVICE = "/aidatalabs.data.v1.DataService"
_PAUSE_SECONDS = 0.25
_STORED_SECONDS = 120.0
_LOOK_SECONDS = 0.1
_CALL_SECONDS = 60.0
_SEED = 2
_EVENTS = 10


@dataclass
class Neighbour:
    """What one who sends little was told; `seconds` of each call that was acknowledged."""

    tenant: Tenant
    seconds: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[BatchOf, int] = field(default_factory=dict)

    async def live(self, address: str, end: asyncio.Event) -> None:
        """Sends until told to end, and returns when all of it is stored."""
        async with grpc.aio.insecure_channel(address) as opened:
            for number in itertools.count():
                if end.is_set() and self.acknowledged:
                    await stored(opened, self.tenant, list(self.acknowledged)[-1].key)
                    return
                await self._send(opened, BatchOf(_SEED, ROWS, number, _EVENTS))
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _send(self, channel: Any, batch: BatchOf) -> None:
        request = pb.IngestRequest(
            platform=self.tenant.platform, events=batch.messages(), request_id=batch.key
        ).SerializeToString()
        begun = time.monotonic()
        try:
            await channel.unary_unary(f"{SERVICE}/Ingest")(
                request, metadata=(("authorization", f"Bearer {self.tenant.token}"),), timeout=_CALL_SECONDS
            )
        except grpc.aio.AioRpcError as failed:
            error = ApiError.of(failed)
            self.refused[f"{error.code} {error.reason} {error.message}"] += 1
            return
        self.acknowledged[batch] = 1
        self.seconds.append(time.monotonic() - begun)


async def stored(channel: Any, tenant: Tenant, key: str) -> None:
    """Returns when the rows of an acknowledged call are in the table of events."""
    asked = pb.GetReceiptRequest(platform=tenant.platform, request_id=key).SerializeToString()
    metadata = (("authorization", f"Bearer {tenant.token}"),)
    async with asyncio.timeout(_STORED_SECONDS):
        while True:
            answer = await channel.unary_unary(f"{SERVICE}/GetReceipt")(
                asked, metadata=metadata, timeout=_CALL_SECONDS
            )
            if ingest_pb2.Receipt.FromString(answer).state == ingest_pb2.Receipt.STORED:
                return
            await asyncio.sleep(_LOOK_SECONDS)
