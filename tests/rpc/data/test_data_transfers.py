"""Files that are being sent: their readers hold places of exports, none of the service, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.data.bootstrap import bootstrap
from aidatalabs_services.runtime.channels import peer_errors
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.testing import ALICE, running_server
from tests.rpc.data.conftest import DEMO, ROLES, VIEWER, Data, settings_in
from tests.rpc.data.test_data_streams import Kept
from tests.rpc.runtime.test_runtime_readers import UNREAD

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024
# 8 MB of CSV.
LARGE = "SELECT arrayJoin(range(80)) AS n, repeat('x', 100000) AS a"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def narrow(data: Data, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Data]:
    """A service on the same engine with one place for calls, which waits 2 s for readers of files."""
    directory = tmp_path_factory.mktemp("narrow")
    settings = settings_in(directory, export_stall_seconds=2.0, running_calls=1)
    service = bootstrap(settings, warehouse=Kept(data.warehouse))
    served: ServerSettings = settings
    async with running_server(service, mint=data.mint, roles=ROLES, settings=served) as server:
        async with grpc.aio.insecure_channel(server.address, options=UNREAD) as channel:
            yield replace(data, stub=pb_grpc.DataServiceStub(channel))


def begun(data: Data, user: str = ALICE) -> Any:
    request = pb.ExportRequest(platform=DEMO, sql=LARGE, format=pb.ExportRequest.CSV)
    return data.stub.Export(request, metadata=data.mint.metadata(user), timeout=30)


async def first(call: Any) -> int:
    with peer_errors("data"):
        return len((await call.read()).data)


async def rest(call: Any) -> None:
    with peer_errors("data"):
        while await call.read() is not grpc.aio.EOF:
            pass


async def test_paused_files_hold_no_place_of_the_service_and_one_user_has_four(narrow: Data) -> None:
    paused = [begun(narrow, VIEWER) for _ in range(4)]
    assert [await first(call) for call in paused] == [MIB] * 4
    with pytest.raises(ServiceError) as caught:
        await first(begun(narrow, VIEWER))
    assert caught.value.reason == "OVERLOADED"
    assert caught.value.metadata["limit"] == "exports of one user"
    assert await asyncio.wait_for(narrow.rows("SELECT 'owner'"), 5) == [["owner"]]
    for call in paused:
        call.cancel()


async def test_a_file_whose_reader_stops_is_ended_and_its_place_is_free_again(narrow: Data) -> None:
    stuck = [begun(narrow) for _ in range(4)]
    assert [await first(call) for call in stuck] == [MIB] * 4
    await asyncio.sleep(3.5)
    call = begun(narrow)
    received = 0
    async for piece in call:
        received += len(piece.data)
    assert received > 8_000_000
    for each in stuck:
        with pytest.raises(ServiceError) as caught:
            await asyncio.wait_for(rest(each), 2)
        assert (caught.value.reason, caught.value.metadata["stall_seconds"]) == ("DEADLINE_EXCEEDED", "2")
