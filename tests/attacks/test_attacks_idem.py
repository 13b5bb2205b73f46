"""The idem attacks, each with one pinned outcome, against the platform service on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from aidatalabs.platform.v1 import platform_pb2
from aidatalabs_services.runtime.caller import Role
from tests.rpc.conftest import postgres_server, postgres_url  # noqa: F401 - fixtures
from tests.rpc.platform.test_platform_creation import config
from tests.rpc.platform.test_platform_requests import text
from tests.rpc.platform.world import PlatformWorld, User, refusal

ROWS = json.loads(Path(__file__).with_name("idem_attacks.json").read_text())
HTTP = {"OK": 200, "ABORTED": 409, "INVALID_ARGUMENT": 400, "RESOURCE_EXHAUSTED": 429}
P = platform_pb2.Platform
Outcome = tuple[str, str | None]
OK: Outcome = ("OK", None)


@pytest_asyncio.fixture
async def attacked(postgres_url: str, tmp_path: Path) -> AsyncIterator[PlatformWorld]:  # noqa: F811
    async with PlatformWorld(postgres_url, tmp_path).running() as world:
        yield world


async def outcome(call: Awaitable[Any]) -> Outcome:
    found = await refusal(call)
    return found.code, found.reason


async def twice(world: PlatformWorld, ann: User) -> Outcome:
    made = await world.create(ann, "", display_name="Twice", request_id="r1")
    assert await world.create(ann, "", display_name="Twice", request_id="r1") == made
    rows = await world.sql("SELECT 1 FROM platforms WHERE name = 'Twice'")
    assert len(rows) == 1
    changed = await world.update(ann, "demo", display_name="New", request_id="r1")
    assert await world.update(ann, "demo", display_name="New", request_id="r1") == changed
    assert (await world.get(ann, "demo")).etag == changed.etag
    return OK


async def after_a_day(world: PlatformWorld, ann: User) -> Outcome:
    made = await world.create(ann, "", request_id="r1")
    changed = await world.update(ann, "demo", display_name="New", request_id="r1")
    await world.sql("UPDATE requests SET created_at = now() - interval '24 hours 1 second'")
    assert (await world.create(ann, "", request_id="r1")).name != made.name
    assert (await world.update(ann, "demo", display_name="New", request_id="r1")).etag != changed.etag
    return OK


async def answer_lost(world: PlatformWorld, ann: User) -> Outcome:
    """What was committed is answered again from its record, whatever happened since, and not done again."""
    call = asyncio.ensure_future(world.update(ann, "demo", display_name="New", request_id="r1"))
    noted = "SELECT 1 FROM requests WHERE method = 'UpdatePlatform' AND response IS NOT NULL"
    async with asyncio.timeout(5):
        while not await world.sql(noted):
            await asyncio.sleep(0.005)
    committed = (await world.sql("SELECT version FROM platforms"))[0]["version"]
    call.cancel()
    await world.sql("UPDATE platforms SET name = 'Since', version = version + 1")
    again = await world.update(ann, "demo", display_name="New", request_id="r1")
    assert again.display_name == "New"
    assert (await world.sql("SELECT version FROM platforms"))[0]["version"] == committed + 1
    return OK


async def stale_etag(world: PlatformWorld, ann: User) -> Outcome:
    old = await world.get(ann, "demo")
    new = await world.update(ann, "demo", display_name="New", etag=old.etag)
    found = await outcome(world.update(ann, "demo", display_name="Stale", etag=old.etag))
    assert await world.get(ann, "demo") == new
    return found


async def no_etag(world: PlatformWorld, ann: User) -> Outcome:
    await world.update(ann, "demo", display_name="First")
    await world.update(ann, "demo", display_name="Last")
    assert (await world.get(ann, "demo")).display_name == "Last"
    return OK


async def one_etag_at_once(world: PlatformWorld, ann: User) -> Outcome:
    etag = (await world.get(ann, "demo")).etag
    calls = (world.update(ann, "demo", display_name=name, etag=etag) for name in ("One", "Other"))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    won = [answer for answer in outcomes if isinstance(answer, P)]
    lost = [error for error in outcomes if isinstance(error, grpc.aio.AioRpcError)]
    assert (len(won), len(lost)) == (1, 1)
    assert await world.get(ann, "demo") == won[0]

    async def again() -> None:
        raise lost[0]

    return await outcome(again())


async def read_while_deleting(world: PlatformWorld, ann: User) -> Outcome:
    world.data.gate.clear()
    deletion = asyncio.ensure_future(world.delete(ann, "demo"))
    await world.data.removing()
    found = await world.get(ann, "demo")
    assert found.state == P.DELETING
    assert found.HasField("delete_time")
    world.data.gate.set()
    await deletion
    return OK


async def bad_names(world: PlatformWorld, ann: User) -> Outcome:
    assert (await world.create(ann, "unnamed", display_name="")).display_name == "unnamed"
    refused = {
        await outcome(world.create(ann, "bad", display_name=bad)) for bad in ("n" * 256, "a\x07", "a\n")
    }
    refused |= {await outcome(world.update(ann, "demo", display_name=bad)) for bad in ("n" * 256, "a\x07")}
    assert len(refused) == 1
    return refused.pop()


async def large_config(world: PlatformWorld, ann: User) -> Outcome:
    for call in (
        world.create(ann, "big", config=text(1_000_000)),
        world.update(ann, "demo", config=text(1_000_000)),
    ):
        assert await outcome(call) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    found = await outcome(world.create(ann, "big", config=text(2_000_000)))
    assert await outcome(world.update(ann, "demo", config=text(2_000_000))) == found
    return found


async def bad_masks(world: PlatformWorld, ann: User) -> Outcome:
    before = await world.get(ann, "demo")
    refused = {
        await outcome(world.update(ann, "demo", mask=[path], config=config(a=2)))
        for path in ("*", "nope", "config.a", "owner")
    }
    assert len(refused) == 1
    assert await world.get(ann, "demo") == before
    return refused.pop()


ATTACKS: dict[str, Callable[[PlatformWorld, User], Awaitable[Outcome]]] = {
    "IDEM-001": twice,
    "IDEM-006": after_a_day,
    "IDEM-007": answer_lost,
    "IDEM-008": stale_etag,
    "IDEM-009": no_etag,
    "IDEM-010": one_etag_at_once,
    "IDEM-013": read_while_deleting,
    "IDEM-014": bad_names,
    "IDEM-015": large_config,
    "IDEM-016": bad_masks,
}


def test_every_attack_of_the_file_has_a_test() -> None:
    assert {row["id"] for row in ROWS} == ATTACKS.keys()
    assert all(HTTP[row["grpc"]] == row["http"] for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
async def test_idem_attack_has_its_one_outcome(attacked: PlatformWorld, row: dict[str, Any]) -> None:
    ann = await attacked.user("ann", Role.EDITOR)
    await attacked.create(ann, "demo", config=config(a=1))
    assert await ATTACKS[row["id"]](attacked, ann) == (row["grpc"], row.get("reason"))
