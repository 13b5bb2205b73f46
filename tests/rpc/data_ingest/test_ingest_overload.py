"""A table that is too far behind refuses calls and batches of streams, with the time to come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_client.errors import ApiError
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import bootstrap, engine_pool
from aidatalabs_services.runtime.channels import peer_errors
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import ALICE, TokenMint, running
from tests.rpc.data.conftest import DEMO, ROLES, settings_in

from .test_ingest_stream import events, message

TEXT = "x" * 4_000


def request(key: str, rows: int) -> pb.IngestRequest:
    """A call of large events."""
    made = pb.IngestRequest(platform=DEMO, request_id=key)
    for number in range(rows):
        one = made.events.add(event_type="click", user_id=number)
        one.timestamp.FromMilliseconds(1_767_225_600_000)
        one.properties.update({"text": TEXT})
    return made


async def test_a_table_that_is_too_far_behind_refuses_calls_and_batches_and_says_until_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(
        tmp_path, ingest_backlog_seconds=0.01, ingest_stream_wait_seconds=0.2, ingest_store_seconds=0.5
    )
    warehouse = ClickHouseWarehouse(EmbeddedServers(engine_pool(settings)))
    insert, let_go = warehouse.insert_block, asyncio.Event()
    mint = TokenMint()
    async with running(bootstrap(settings, warehouse=warehouse), mint=mint, roles=ROLES) as channel:
        stub = pb_grpc.DataServiceStub(channel)
        metadata = mint.metadata(ALICE)

        async def call(method: str, message: Any) -> Any:
            with peer_errors("data"):
                return await getattr(stub, method)(message, metadata=metadata, timeout=60)

        async def refusal(message: pb.IngestRequest) -> ServiceError:
            with pytest.raises(ServiceError) as caught:
                await call("Ingest", message)
            return caught.value

        async def batches() -> AsyncIterator[pb.IngestStreamRequest]:
            yield message("batch", events(20_000, user=7))

        async def held(*words: Any, **more: Any) -> None:
            await let_go.wait()
            await insert(*words, **more)

        await call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=DEMO))
        assert (await call("Ingest", request("first", 1))).receipt.accepted_count == 1
        while (await call("Ingest", request("first", 1))).receipt.state != ingest_pb2.Receipt.STORED:
            await asyncio.sleep(0.05)
        monkeypatch.setattr(warehouse, "insert_block", held)
        large = request("large", 600)
        assert (await call("Ingest", large)).receipt.state == ingest_pb2.Receipt.JOURNALLED
        refused = await refusal(request("next", 600))
        assert (refused.code.name, refused.reason) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
        assert refused.metadata["limit"] == "ingest_backlog_seconds"
        assert refused.retry_after_seconds
        stream: Any = stub.IngestStream(cast(Any, batches()), metadata=metadata, timeout=60)
        (answer,) = [each async for each in stream]
        error = ApiError.of_status(answer.error)
        assert (error.code, error.reason) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
        assert error.retry_after_seconds
        # What was acknowledged is, however far the table is behind.
        assert (await call("Ingest", large)).receipt.duplicate_count == 600
        let_go.set()
        while (await call("Ingest", large)).receipt.state != ingest_pb2.Receipt.STORED:
            await asyncio.sleep(0.05)
        assert (await call("Ingest", request("next", 600))).receipt.accepted_count == 600
