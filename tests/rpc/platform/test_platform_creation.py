from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2 as pb
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import ServiceUnavailable
from tests.rpc.platform.world import PlatformWorld, refusal, refused

TAKEN = ("ALREADY_EXISTS", "PLATFORM_ALREADY_EXISTS")
P = platform_pb2.Platform


def config(**values: Any) -> Struct:
    struct = Struct()
    struct.update(values)
    return struct


async def test_a_new_platform_is_active_and_its_creator_its_admin(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    made = await world.create(
        ann, "demo", display_name="Demo", config=config(plan={"tier": 2.5}, tags=["a", None])
    )
    assert (made.name, made.display_name, made.state, made.owner) == (
        "platforms/demo",
        "Demo",
        P.ACTIVE,
        ann.name,
    )
    assert str(UUID(made.uid)) == made.uid
    assert made.config == config(plan={"tier": 2.5}, tags=["a", None])
    assert made.etag
    assert made.create_time.seconds == made.update_time.seconds > 1_700_000_000
    assert await world.get(ann, "demo") == made


async def test_the_database_is_made_as_the_caller_who_is_admin_while_it_is_being_made(
    world: PlatformWorld,
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    made = await world.create(ann, "demo")
    (caller,) = world.data.callers
    assert (caller.user, caller.platform_uid, caller.platform_role) == (ann.name, made.uid, Role.ADMIN)


async def test_without_an_id_and_a_name_the_server_makes_both(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    first, second = await world.create(ann, ""), await world.create(ann, "")
    assert first.name != second.name
    assert first.name == f"platforms/{first.display_name}"


async def test_a_platform_is_there_after_a_restart(postgres_url: str, tmp_path: Path) -> None:
    world = PlatformWorld(postgres_url, tmp_path)
    async with world.running():
        ann = await world.user("ann", Role.EDITOR)
        made = await world.create(ann, "demo", request_id="r1")
    async with world.running():
        assert await world.get(ann, "demo") == made
        assert await world.create(ann, "demo", request_id="r1") == made


async def test_idem_001_the_same_request_twice_is_one_platform_and_one_audit_line(
    world: PlatformWorld,
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    first = await world.create(ann, "", display_name="Demo", config=config(a=1), request_id="r1")
    # What happens to the platform meanwhile does not change the answer that was given.
    await world.sql("UPDATE platforms SET name = 'Renamed', version = 2")
    assert await world.create(ann, "", display_name="Demo", config=config(a=1), request_id="r1") == first
    assert (await world.sql("SELECT count(*) FROM platforms"))[0][0] == 1
    assert (await world.sql("SELECT count(*) FROM audit_logs"))[0][0] == 1
    assert len(world.data.callers) == 1


@pytest.mark.parametrize(
    ("platform_id", "name", "number"), [("other", "Demo", 1), ("demo", "Demo 2", 1), ("demo", "Demo", 2)]
)
async def test_the_same_request_id_with_other_content_is_refused(
    world: PlatformWorld, platform_id: str, name: str, number: int
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    await world.create(ann, "demo", display_name="Demo", config=config(a=1), request_id="r1")
    call = world.create(ann, platform_id, display_name=name, config=config(a=number), request_id="r1")
    found = await refusal(call)
    assert (found.code, found.reason) == ("ALREADY_EXISTS", "IDEMPOTENCY_MISMATCH")
    assert found.metadata["repeated_request_id"] == "r1"
    assert (await world.sql("SELECT count(*) FROM platforms"))[0][0] == 1


async def test_another_users_request_id_is_neither_blocked_nor_answered(world: PlatformWorld) -> None:
    ann, eve = await world.user("ann", Role.EDITOR), await world.user("eve", Role.EDITOR)
    await world.create(eve, "eves", request_id="r1")
    made = await world.create(ann, "anns", request_id="r1")
    assert made.owner == ann.name
    assert await refused(world.create(eve, "anns", request_id="r2")) == TAKEN


async def test_a_refused_call_leaves_its_request_id_free(world: PlatformWorld) -> None:
    ann, eve = await world.user("ann", Role.EDITOR), await world.user("eve", Role.EDITOR)
    await world.create(eve, "demo")
    assert await refused(world.create(ann, "demo", request_id="r1")) == TAKEN
    assert (await world.create(ann, "mine", request_id="r1")).name == "platforms/mine"


async def test_idem_006_a_request_id_is_forgotten_after_24_hours(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    first = await world.create(ann, "", request_id="r1")
    await world.sql("UPDATE requests SET created_at = now() - interval '23 hours 59 minutes'")
    assert await world.create(ann, "", request_id="r1") == first
    await world.sql("UPDATE requests SET created_at = now() - interval '24 hours 1 second'")
    assert (await world.create(ann, "", request_id="r1")).name != first.name


async def test_idem_007_an_answer_that_never_arrived_is_given_again(world: PlatformWorld) -> None:
    """The process ends after the database was made and before anything else was written."""
    ann = await world.user("ann", Role.EDITOR)
    world.data.gate.clear()
    cut = asyncio.ensure_future(world.create(ann, "demo", request_id="r1", seconds=0.8))
    await world.data.called()
    assert (await world.get(ann, "demo")).state == P.PROVISIONING
    with pytest.raises(grpc.aio.AioRpcError):
        await cut
    world.data.gate.set()
    again = await world.create(ann, "demo", request_id="r1")
    assert again.state == P.ACTIVE
    assert await world.create(ann, "demo", request_id="r1") == again
    assert (await world.sql("SELECT count(*) FROM platforms"))[0][0] == 1


async def test_twenty_equal_requests_at_once_get_one_answer(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    answers = await asyncio.gather(*(world.create(ann, "", request_id="r1") for _ in range(20)))
    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
    assert len(world.data.callers) == 1


async def test_of_twenty_creates_of_one_id_one_wins(world: PlatformWorld) -> None:
    users = [await world.user(f"user{number}", Role.EDITOR) for number in range(4)]
    calls = [world.create(user, "demo", request_id=f"r{turn}") for turn in range(5) for user in users]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    won = [outcome for outcome in outcomes if isinstance(outcome, P)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert (len(won), len(lost)) == (1, 19)
    assert {error.code() for error in lost} == {grpc.StatusCode.ALREADY_EXISTS}
    assert (await world.sql("SELECT count(*) FROM audit_logs"))[0][0] == 1


async def test_a_taken_id_is_refused_alike_for_its_owner_and_for_strangers(world: PlatformWorld) -> None:
    ann, eve = await world.user("ann", Role.EDITOR), await world.user("eve", Role.EDITOR)
    await world.create(ann, "demo")
    first, second = await refusal(world.create(ann, "demo")), await refusal(world.create(eve, "demo"))
    assert first == second
    assert (first.code, first.reason) == TAKEN
    assert first.metadata == {"platform": "platforms/demo"}


async def test_a_database_that_cannot_be_made_leaves_the_platform_failed_until_the_same_call_comes_again(
    world: PlatformWorld,
) -> None:
    ann, eve = await world.user("ann", Role.EDITOR), await world.user("eve", Role.EDITOR)
    world.data.failure = ServiceUnavailable(
        "The engine is not ready.", metadata={"service": "engine"}, retry_after_seconds=2.0
    )
    found = await refusal(world.create(ann, "demo", display_name="Demo"))
    assert (found.code, found.reason, found.retry_seconds) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE", 2.0)
    broken = await world.get(ann, "demo")
    assert broken.state == P.FAILED
    # Neither a stranger nor other content takes the id over; the owner may try with and without request ids.
    assert await refused(world.create(eve, "demo", display_name="Demo")) == TAKEN
    assert await refused(world.create(ann, "demo", display_name="Other")) == TAKEN
    world.data.failure = RuntimeError("secret detail")
    for request_id in ("r1", "r2"):
        fault = await refusal(world.create(ann, "demo", display_name="Demo", request_id=request_id))
        assert (fault.code, fault.reason) == ("INTERNAL", "INTERNAL")
        assert "secret" not in fault.message
    world.data.failure = None
    made = await world.create(ann, "demo", display_name="Demo", request_id="r1")
    assert (made.state, made.uid, made.etag) == (P.ACTIVE, broken.uid, broken.etag)
    assert (await world.create(ann, "demo", display_name="Demo", request_id="r2")).uid == made.uid
    assert (await world.sql("SELECT count(*) FROM audit_logs"))[0][0] == 1


async def test_while_the_data_service_is_down_the_caller_hears_it_and_the_retry_finishes(
    postgres_url: str, tmp_path: Path
) -> None:
    world = PlatformWorld(postgres_url, tmp_path)
    async with world.running(with_data=False), AsyncExitStack() as later:
        ann = await world.user("ann", Role.EDITOR)
        found = await refusal(world.create(ann, "demo", request_id="r1", seconds=5))
        assert (found.code, found.reason) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE")
        assert found.metadata == {"service": "data"}
        assert found.retry_seconds is not None
        await world.start_data(later)
        assert (await world.create(ann, "demo", request_id="r1")).state == P.ACTIVE


async def test_a_platform_in_the_making_refuses_a_second_attempt_and_answers_the_same_request(
    world: PlatformWorld,
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    world.data.gate.clear()
    first = asyncio.ensure_future(world.create(ann, "demo", request_id="r1"))
    await world.data.called()
    assert await refused(world.create(ann, "demo")) == TAKEN
    assert await refused(world.create(ann, "demo", request_id="r2")) == TAKEN
    same = asyncio.ensure_future(world.create(ann, "demo", request_id="r1"))
    await asyncio.sleep(0.3)
    world.data.gate.set()
    assert await same == await first
    assert len(world.data.callers) == 1


async def test_every_creation_is_written_down_with_who_and_the_call(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    request = pb.CreatePlatformRequest(platform_id="demo", platform=P(display_name="Demo"))
    metadata = (*ann.metadata, ("x-request-id", "call-0000-1111"))
    made = await world.platforms.CreatePlatform(request, metadata=metadata)
    (line,) = await world.sql("SELECT * FROM audit_logs")
    assert (str(line["platform_id"]), line["actor"], line["action"]) == (made.uid, ann.name, "CreatePlatform")
    assert (line["request_id"], line["agent_id"]) == ("call-0000-1111", None)
    for change in ("DELETE FROM audit_logs", "UPDATE audit_logs SET actor = 'x'", "TRUNCATE audit_logs"):
        with pytest.raises(Exception, match="only ever added to"):
            await world.sql(change)


async def test_who_asked_for_a_platform_before_it_was_there_can_create_it(world: PlatformWorld) -> None:
    """The data service remembers for a second that there was none; the creation ends that at once."""
    ann = await world.user("ann", Role.EDITOR)
    request = data_pb.ListTablesRequest(platform="platforms/demo")
    missing = world.tables.ListTables(request, metadata=ann.metadata)
    assert await refused(missing) == ("NOT_FOUND", "PLATFORM_NOT_FOUND")
    begun = time.monotonic()
    assert (await world.create(ann, "demo")).state == P.ACTIVE
    await world.tables.ListTables(request, metadata=ann.metadata)
    assert time.monotonic() - begun < 0.9
    assert len(world.data.callers) == 1


async def test_while_it_is_made_it_takes_no_questions_from_its_owner_either(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    world.data.gate.clear()
    begun = asyncio.ensure_future(world.create(ann, "demo"))
    await world.data.called()
    request = data_pb.ListTablesRequest(platform="platforms/demo")
    found = await refusal(world.tables.ListTables(request, metadata=ann.metadata))
    assert (found.code, found.reason) == ("FAILED_PRECONDITION", "PLATFORM_NOT_ACTIVE")
    assert found.metadata["state"] == "PROVISIONING"
    world.data.gate.set()
    await begun
    await world.tables.ListTables(request, metadata=ann.metadata)
    assert len(world.data.questions) == 1
