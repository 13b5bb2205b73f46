"""DeprovisionPlatform: engine, files, journal and waiting rows go, queries end, late calls find nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import bootstrap, engine_pool
from aidatalabs_services.data.errors import InsertRefused
from aidatalabs_services.data.journal_files import REMOVED_SUFFIX
from aidatalabs_services.runtime.testing import TokenMint, running
from tests.rpc.data.conftest import DEMO, OTHER, ROLES, VIEWER, Data, settings_in

DEPROVISION = pb.DeprovisionPlatformRequest(platform=DEMO)
MILLION = "(SELECT arrayJoin(range(1000000)) AS x)"
SLOW = f"SELECT sum(cityHash64(a.x, b.x)) AS s FROM {MILLION} AS a, {MILLION} AS b"


@dataclass
class Home:
    """A service of this test's own, on a directory that outlives it."""

    data: Data
    directory: Path


@asynccontextmanager
async def service(directory: Path) -> AsyncIterator[Home]:
    settings = settings_in(directory)
    pool = engine_pool(settings)
    warehouse = ClickHouseWarehouse(EmbeddedServers(pool))
    mint = TokenMint()
    async with running(bootstrap(settings, warehouse=warehouse), mint=mint, roles=ROLES) as channel:
        made: grpc.aio.Channel = channel
        yield Home(Data(pb_grpc.DataServiceStub(made), mint, warehouse, pool), directory)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with service(tmp_path) as made:
        for platform in (DEMO, OTHER):
            await made.data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=platform))
        yield made


def event(number: int, platform: str = DEMO) -> pb.IngestRequest:
    made = ingest_pb2.Event(event_type="e", user_id=number)
    made.timestamp.FromSeconds(1_700_000_000)
    return pb.IngestRequest(platform=platform, request_id=f"r{number}", events=[made])


def left(home: Home, uid: str) -> list[str]:
    """What is there of a platform below the service's folder."""
    return sorted(str(path.relative_to(home.directory)) for path in home.directory.rglob(f"*{uid}*"))


async def test_a_removed_platform_leaves_no_file_no_process_and_no_answer(home: Home) -> None:
    data, uid = home.data, await home.data.uid()
    await data.call("Ingest", event(1))
    await data.call("Ingest", event(1, OTHER))
    engine = data.pool.running()[uid]
    assert left(home, uid) == [f"engines/{uid}", f"journal/{uid}"]
    await data.call("DeprovisionPlatform", DEPROVISION)
    assert left(home, uid) == []
    assert engine.exited.is_set()
    for method, request in (
        ("Ingest", event(2)),
        ("Query", pb.QueryRequest(platform=DEMO, sql="SELECT 1")),
        ("ListTables", pb.ListTablesRequest(platform=DEMO)),
        ("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=DEMO)),
    ):
        assert (await data.refusal(method, request)).reason == "PLATFORM_NOT_FOUND", method
    assert left(home, uid) == []
    await data.call("DeprovisionPlatform", DEPROVISION)
    assert await data.rows("SELECT user_id FROM events", platform=OTHER) == [[1]]


async def test_only_an_admin_of_the_platform_removes_it(home: Home) -> None:
    refused = await home.data.refusal("DeprovisionPlatform", DEPROVISION, user=VIEWER)
    assert refused.reason == "PERMISSION_DENIED"
    assert await home.data.rows("SELECT 1") == [[1]]


async def test_running_queries_and_streams_end_with_the_platform(home: Home) -> None:
    data, uid = home.data, await home.data.uid()
    request = pb.StreamQueryRequest(platform=DEMO, sql=SLOW)
    stream: Any = data.stub.StreamQuery(request, metadata=data.mint.metadata(), timeout=30)
    query = asyncio.create_task(data.refusal("Query", pb.QueryRequest(platform=DEMO, sql=SLOW)))
    while await data.pool.running()[uid].running_queries() < 2:
        await asyncio.sleep(0.02)
    begun = time.monotonic()
    await data.call("DeprovisionPlatform", DEPROVISION)
    assert (await query).code.name == "UNAVAILABLE"
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await stream.read()
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    assert time.monotonic() - begun < 2.5
    assert left(home, uid) == []


async def test_a_hung_engine_and_rows_that_wait_do_not_hold_the_removal_up(home: Home) -> None:
    data, uid = home.data, await home.data.uid()
    os.kill(data.pool.running()[uid].pid, signal.SIGSTOP)
    calls = [asyncio.create_task(data.call("Ingest", event(number))) for number in range(20)]
    await asyncio.sleep(0.3)
    begun = time.monotonic()
    await data.call("DeprovisionPlatform", DEPROVISION)
    assert time.monotonic() - begun < 3
    # Some were journalled before, some came too late; none waits for ever.
    await asyncio.gather(*calls, return_exceptions=True)
    assert left(home, uid) == []


async def test_parked_blocks_go_with_the_platform(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    data, uid = home.data, await home.data.uid()

    async def refuse(*_: Any, **__: Any) -> None:
        raise InsertRefused(33)

    monkeypatch.setattr(data.warehouse, "insert_block", refuse)
    await data.call("Ingest", event(1))
    assert list((home.directory / "journal" / uid / "parked").iterdir())
    await data.call("DeprovisionPlatform", DEPROVISION)
    assert left(home, uid) == []


async def test_calls_at_the_same_time_share_one_removal(home: Home) -> None:
    await asyncio.gather(*(home.data.call("DeprovisionPlatform", DEPROVISION) for _ in range(5)))
    assert left(home, await home.data.uid()) == []


async def test_a_removal_that_was_cut_short_is_finished_by_the_next_call(tmp_path: Path) -> None:
    async with service(tmp_path) as first:
        await first.data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=DEMO))
        await first.data.call("Ingest", event(1))
        uid = await first.data.uid()
    # As a crash leaves it: the journal renamed and half deleted, the engine's folder untouched.
    dying = tmp_path / "journal" / f"{uid}{REMOVED_SUFFIX}"
    (tmp_path / "journal" / uid).rename(dying)
    for segment in dying.iterdir():
        segment.write_bytes(b"half")
    async with service(tmp_path) as second:
        assert left(second, uid) == [f"engines/{uid}"]
        assert second.data.pool.running() == {}
        await second.data.call("DeprovisionPlatform", DEPROVISION)
        assert left(second, uid) == []
