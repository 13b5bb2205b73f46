"""Every row of `tests/attacks/ingest_attacks.json` over gRPC: its one outcome, and what is then stored."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import bootstrap, engine_pool
from aidatalabs_services.runtime.channels import peer_errors
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import ALICE, TokenMint, running
from tests.rpc.data.conftest import DEMO, ROLES, Data, settings_in

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = json.loads((Path(__file__).parents[2] / "attacks" / "ingest_attacks.json").read_text())
HTTP = {"INVALID_ARGUMENT": 400, "ALREADY_EXISTS": 409, "RESOURCE_EXHAUSTED": 429}
WHEN = "2026-01-02T03:04:05Z"


def event(**changes: Any) -> dict[str, Any]:
    """A good event with something changed."""
    return {"timestamp": WHEN, "event_type": "a", **changes}


def deep(levels: int) -> dict[str, Any]:
    """An object nested this deep."""
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return {"properties": value}


def keys(first: int, count: int) -> dict[str, Any]:
    """An object of so many keys, by their numbers."""
    return {f"{number:x}": True for number in range(first, first + count)}


def months() -> list[dict[str, Any]]:
    """200 events in 200 months."""
    return [event(timestamp=f"{1971 + each // 12}-{each % 12 + 1:02}-05T00:00:00Z") for each in range(200)]


GENERATORS: dict[str, Callable[[], dict[str, Any]]] = {
    "months": lambda: {"events": months()},
    "ahead": lambda: {
        "events": [event(timestamp=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600)))]
    },
    "again": lambda: {"events": [event(), event()]},
    "other_content": lambda: {"events": [event()]},
    "long_type": lambda: {"events": [event(event_type="x" * 10_240)]},
    "deep_1200": lambda: {"events": [event(**deep(1200))]},
    "deep_17": lambda: {"events": [event(**deep(17)), event(**deep(16))]},
    "too_many": lambda: {"events": [event()] * 10_001},
    "mixed": lambda: {"events": [event(event_type="" if each == 500 else "a") for each in range(1000)]},
    "other_keys": lambda: {"events": [event(properties=keys(20 * each, 20)) for each in range(1000)]},
    "many_keys": lambda: {"events": [event(properties=keys(0, 40_000)), *[event()] * 99]},
    "long_key": lambda: {"events": [event(properties={"k" * 1_500_000: 1}), *[event()] * 99]},
    "row_of_many_keys": lambda: {"rows": [keys(0, 40_000), *[event()] * 99]},
    "empty": dict,
}


def call_of(row: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a row's call; of duplicate keys the last wins, as at the edge."""
    if "generator" in row:
        return GENERATORS[row["generator"]]()
    call: dict[str, Any] = row.get("call") or json.loads(row["text"])
    return call


def ids(layer: str) -> list[Any]:
    """The rows of a layer as parameters."""
    chosen = [row for row in ROWS if row.get("layer", "service") == layer]
    return [pytest.param(row, id=row["id"]) for row in chosen]


@pytest.mark.parametrize("row", ids("message"))
async def test_what_cannot_become_the_message_is_refused_whole(row: dict[str, Any]) -> None:
    assert row["outcome"] == {"http": 400, "grpc": "INVALID_ARGUMENT"}
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict({"platform": DEMO, **call_of(row)}, pb.IngestRequest())


@pytest.mark.parametrize("row", ids("service"))
async def test_each_bad_input_has_its_one_outcome(data: Data, row: dict[str, Any]) -> None:
    before = await count(data)
    platform = (
        {} if row["id"].startswith("TRANSCODE") else {"platform": DEMO, "request_id": str(uuid.uuid4())}
    )
    request = json_format.ParseDict({**platform, **call_of(row)}, pb.IngestRequest())
    if row.get("generator") == "other_content":
        await data.call("Ingest", request)
        before += 1
        request.events[0].value = 2.0
    wanted = row["outcome"]
    if "http" in wanted:
        refused = await data.refusal("Ingest", request)
        got = {"http": HTTP[refused.code.name], "grpc": refused.code.name, "reason": refused.reason}
        assert got == wanted
        assert await count(data) == before
        return
    receipt = (await data.call("Ingest", request)).receipt
    assert receipt.accepted_count == wanted["accepted"]
    assert [rejected.reason for rejected in receipt.rejected] == wanted["reasons"]
    if "duplicates" in wanted:
        repeated = (await data.call("Ingest", request)).receipt
        assert repeated.duplicate_count == wanted["duplicates"]
        assert repeated.name == receipt.name
    await stored(data, before + wanted.get("stored", 0))
    for column in ("user_id", "event_type", "properties"):
        if column in wanted:
            assert [wanted[column]] in await data.rows(f"SELECT {column} FROM events", max_rows=10_000)


async def count(data: Data) -> int:
    """Events in the table."""
    return int((await data.rows("SELECT count() FROM events"))[0][0])


async def stored(data: Data, wanted: int) -> None:
    """Waits until exactly that many events are there, and no more a moment later."""
    end = time.monotonic() + 60
    while await count(data) < wanted and time.monotonic() < end:
        await asyncio.sleep(0.05)
    assert await count(data) == wanted
    assert (await data.rows("SELECT toUInt32(sum(events)) FROM events_hourly")) == [[wanted]]


@pytest.mark.parametrize("row", ids("full"))
async def test_a_full_disk_refuses_before_it_acknowledges(tmp_path: Path, row: dict[str, Any]) -> None:
    settings = settings_in(tmp_path, journal_free_bytes=1 << 60)
    service = bootstrap(settings, warehouse=ClickHouseWarehouse(EmbeddedServers(engine_pool(settings))))
    mint = TokenMint()
    async with running(service, mint=mint, roles=ROLES) as channel:
        stub = pb_grpc.DataServiceStub(channel)
        metadata = mint.metadata(ALICE)
        await stub.ProvisionPlatform(
            pb.ProvisionPlatformRequest(platform=DEMO), metadata=metadata, timeout=20
        )
        request = json_format.ParseDict({"platform": DEMO, "events": [event()]}, pb.IngestRequest())
        with pytest.raises(ServiceError) as caught, peer_errors("data"):
            await stub.Ingest(request, metadata=metadata, timeout=20)
    refused = caught.value
    got = {"http": HTTP[refused.code.name], "grpc": refused.code.name, "reason": refused.reason}
    assert got == row["outcome"]
    assert refused.retry_after_seconds


@pytest.mark.parametrize("row", ids("down"))
async def test_with_the_engine_down_rows_wait_in_the_journal(
    data: Data, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await count(data)
    real = data.warehouse.insert_block

    async def down(*_: object, **__: object) -> None:
        raise ConnectionError("nobody listens")

    monkeypatch.setattr(data.warehouse, "insert_block", down)
    request = json_format.ParseDict(
        {"platform": DEMO, "request_id": row["id"], "events": [event(), event()]}, pb.IngestRequest()
    )
    receipt = (await data.call("Ingest", request)).receipt
    assert ingest_pb2.Receipt.State.Name(receipt.state) == row["outcome"]["state"]
    assert await count(data) == before
    monkeypatch.setattr(data.warehouse, "insert_block", real)
    await stored(data, before + 2)
    again = (await data.call("Ingest", request)).receipt
    assert (again.state, again.duplicate_count) == (ingest_pb2.Receipt.STORED, 2)
    assert await count(data) == before + 2
