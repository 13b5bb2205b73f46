from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from aidatalabs.common.v1 import access_service_pb2 as access_pb
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2 as pb
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import ServiceUnavailable
from tests.rpc.platform.world import PlatformWorld, User, refusal, refused

MISSING = ("NOT_FOUND", "PLATFORM_NOT_FOUND")
NOT_ACTIVE = ("FAILED_PRECONDITION", "PLATFORM_NOT_ACTIVE")
DOWN = ("UNAVAILABLE", "SERVICE_UNAVAILABLE")
P = platform_pb2.Platform


def down() -> ServiceUnavailable:
    return ServiceUnavailable(
        "The engine is not ready.", metadata={"service": "engine"}, retry_after_seconds=2.0
    )


async def tables(world: PlatformWorld, user: User) -> Any:
    """A question to the data service about the platform, which asks for the caller's access."""
    request = data_pb.ListTablesRequest(platform="platforms/demo")
    return await world.tables.ListTables(request, metadata=user.metadata)


async def actions(world: PlatformWorld) -> list[tuple[str, str]]:
    rows = await world.sql("SELECT actor, action FROM audit_logs ORDER BY timestamp")
    return [(row["actor"], row["action"]) for row in rows]


async def test_a_deleted_platform_is_gone_with_its_data_and_members_and_the_audit_log_stays(
    world: PlatformWorld,
) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
    made = await world.create(ann, "demo", display_name="Demo")
    await world.share(ann, "demo", bob.name, access_pb.ROLE_VIEWER)
    await world.delete(ann, "demo", etag=made.etag)
    assert world.data.removed == [made.uid]
    assert await refused(world.get(ann, "demo")) == MISSING
    assert await refused(world.get(bob, "demo")) == MISSING
    assert await world.sql("SELECT 1 FROM platforms") == []
    assert await world.sql("SELECT 1 FROM platform_members") == []
    assert await actions(world) == [
        (ann.name, "CreatePlatform"),
        (ann.name, "SetMember"),
        (ann.name, "DeletePlatform"),
        (ann.name, "RemovePlatform"),
    ]
    (line,) = await world.sql("SELECT platform_id, details FROM audit_logs WHERE action = 'DeletePlatform'")
    assert str(line["platform_id"]) == made.uid
    assert json.loads(line["details"]) == {
        "platform": "platforms/demo",
        "display_name": "Demo",
        "etag": made.etag,
    }


async def test_while_its_data_goes_it_is_there_in_deleting_and_takes_no_data_and_no_questions(
    world: PlatformWorld,
) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
    await world.create(ann, "demo")
    await world.share(ann, "demo", bob.name, access_pb.ROLE_EDITOR)
    world.data.gate.clear()
    begun = asyncio.ensure_future(world.delete(ann, "demo"))
    await world.data.removing()
    seen = await world.get(bob, "demo")
    assert seen.state == P.DELETING
    assert seen.delete_time.ToNanoseconds() >= seen.create_time.ToNanoseconds()
    listed = await world.platforms.ListPlatforms(pb.ListPlatformsRequest(), metadata=bob.metadata)
    assert list(listed.platforms) == [seen]
    for user in (bob, ann):  # also the one whose deletion is running
        found = await refusal(tables(world, user))
        assert (found.code, found.reason) == NOT_ACTIVE
        assert found.metadata == {"platform": "platforms/demo", "state": "DELETING"}
    assert await refused(world.update(ann, "demo", display_name="x")) == NOT_ACTIVE
    assert await refused(world.create(ann, "demo")) == ("ALREADY_EXISTS", "PLATFORM_ALREADY_EXISTS")
    assert world.data.questions == []
    world.data.gate.set()
    await begun
    assert await refused(world.get(bob, "demo")) == MISSING


async def test_who_is_no_member_hears_nothing_of_a_deletion(world: PlatformWorld) -> None:
    ann, eve = await world.user("ann", Role.EDITOR), await world.user("eve", Role.EDITOR)
    await world.create(ann, "demo")
    await world.sql("UPDATE platforms SET status = 'deleting', deleted_at = now()")
    assert await refused(tables(world, eve)) == MISSING


@pytest.mark.parametrize("status", ["provisioning", "failed"])
async def test_a_platform_that_was_never_finished_takes_no_questions_and_can_be_deleted(
    world: PlatformWorld, status: str
) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
    made = await world.create(ann, "demo")
    await world.share(ann, "demo", bob.name, access_pb.ROLE_EDITOR)
    await world.sql("UPDATE platforms SET status = $1", status)
    found = await refusal(tables(world, bob))
    assert (found.code, found.reason) == NOT_ACTIVE
    assert found.metadata["state"] == status.upper()
    await world.delete(ann, "demo")
    assert world.data.removed == [made.uid]


async def test_a_platform_that_is_being_made_at_this_moment_cannot_be_deleted(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    world.data.gate.clear()
    first = asyncio.ensure_future(world.create(ann, "demo"))
    await world.data.called()
    found = await refusal(world.delete(ann, "demo", request_id="r1"))
    assert (found.code, found.reason) == NOT_ACTIVE
    assert found.metadata["state"] == "PROVISIONING"
    world.data.gate.set()
    assert (await first).state == P.ACTIVE
    await world.delete(ann, "demo", request_id="r1")


async def test_an_old_etag_deletes_nothing(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    old = await world.create(ann, "demo")
    await world.update(ann, "demo", display_name="x")
    found = await refusal(world.delete(ann, "demo", etag=old.etag, request_id="r1"))
    assert (found.code, found.reason) == ("ABORTED", "ETAG_MISMATCH")
    assert (await world.get(ann, "demo")).state == P.ACTIVE
    assert world.data.removers == []


async def test_the_same_request_gets_its_answer_again_when_the_platform_is_gone(world: PlatformWorld) -> None:
    ann, eve = await world.user("ann", Role.EDITOR), await world.user("eve", Role.EDITOR)
    root = await world.user("root", Role.ADMIN)
    await world.create(ann, "demo")
    await world.delete(ann, "demo", request_id="r1")
    await world.delete(ann, "demo", request_id="r1")
    assert len(world.data.removers) == 1
    # Only that call, only that user, only that method.
    assert await refused(world.delete(ann, "demo")) == MISSING
    assert await refused(world.delete(ann, "demo", request_id="r2")) == MISSING
    assert await refused(world.delete(eve, "demo", request_id="r1")) == MISSING
    assert await refused(world.delete(root, "demo", request_id="r1")) == MISSING
    assert await refused(world.get(ann, "demo")) == MISSING
    other = await refused(world.delete(ann, "demo", etag="x", request_id="r1"))
    assert other == ("ALREADY_EXISTS", "IDEMPOTENCY_MISMATCH")
    await world.sql("UPDATE requests SET created_at = now() - interval '24 hours 1 second'")
    assert await refused(world.delete(ann, "demo", request_id="r1")) == MISSING


async def test_an_old_deletion_sent_again_leaves_the_next_platform_of_that_id_alone(
    world: PlatformWorld,
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    first = await world.create(ann, "demo")
    await world.delete(ann, "demo", request_id="r1")
    second = await world.create(ann, "demo")
    assert second.uid != first.uid
    assert second.etag != first.etag
    found = await refusal(world.delete(ann, "demo", request_id="r1"))  # not "done": that one is there
    assert (found.code, found.reason) == ("ALREADY_EXISTS", "IDEMPOTENCY_MISMATCH")
    assert found.metadata["repeated_request_id"] == "r1"
    assert await world.get(ann, "demo") == second
    await world.delete(ann, "demo", request_id="r2")
    assert await refused(world.get(ann, "demo")) == MISSING
    for request_id in ("r1", "r2"):  # both are done, and nothing is there
        await world.delete(ann, "demo", request_id=request_id)
    assert len(world.data.removers) == 2


async def test_a_service_killed_during_a_deletion_leaves_nobody_a_way_to_the_data(
    world: PlatformWorld,
) -> None:
    """What is acknowledged then would be deleted with the platform."""
    ann = await world.user("ann", Role.EDITOR)
    await world.create(ann, "demo")
    await tables(world, ann)  # the data service remembers the role
    world.data.gate.clear()
    call = asyncio.ensure_future(world.delete(ann, "demo", seconds=0.3))
    await world.data.removing()
    await world.sql(  # what is left when the process is killed
        "UPDATE platforms SET attempt = gen_random_uuid(), "
        "attempt_until = clock_timestamp() + interval '10 seconds'"
    )
    for _ in range(5):
        assert await refused(tables(world, ann)) == NOT_ACTIVE
    provision = data_pb.ProvisionPlatformRequest(platform="platforms/demo")
    made = world.tables.ProvisionPlatform(provision, metadata=ann.metadata)
    assert await refused(made) == NOT_ACTIVE
    with pytest.raises(grpc.aio.AioRpcError):
        await call
    world.data.gate.set()


async def test_an_id_rests_until_no_service_remembers_the_platform_it_meant(
    postgres_url: str, tmp_path: Path
) -> None:
    """The data service keeps an id's uid for 5 seconds; the database must be the new one's."""
    world = PlatformWorld(postgres_url, tmp_path)
    world.rest_seconds = 6.0
    async with world.running():
        ann = await world.user("ann", Role.EDITOR)
        await world.create(ann, "demo")
        await world.delete(ann, "demo")
        begun = time.monotonic()
        await world.create(ann, "other")  # only that id rests
        assert time.monotonic() - begun < 3.0
        made = await world.create(ann, "demo", request_id="r1")
        assert 5.0 < time.monotonic() - begun < 15.0
        assert world.data.callers[-1].platform_uid == made.uid


async def test_while_the_data_service_is_down_the_deletion_is_recorded_and_finished_when_it_is_back(
    postgres_url: str, tmp_path: Path
) -> None:
    world = PlatformWorld(postgres_url, tmp_path)
    async with world.running(with_data=False), AsyncExitStack() as later:
        ann = await world.user("ann", Role.EDITOR)
        await world.sql(
            "INSERT INTO platforms (platform_id, user_id, name, config, status) "
            "VALUES ('demo', $1, 'Demo', '{}', 'active')",
            ann.name.removeprefix("users/"),
        )
        await world.sql("INSERT INTO platform_members SELECT id, $1, 'admin' FROM platforms", ann.name)
        found = await refusal(world.delete(ann, "demo", request_id="r1", seconds=5))
        assert (found.code, found.reason) == DOWN
        assert found.metadata == {"service": "data"}
        assert found.retry_seconds is not None
        assert (await world.get(ann, "demo")).state == P.DELETING
        await world.start_data(later)
        await world.gone("demo")  # nobody asked again
        await world.delete(ann, "demo", request_id="r1")
        assert (await actions(world)).count((ann.name, "DeletePlatform")) == 1
        assert (await actions(world)).count((ann.name, "RemovePlatform")) == 1


async def test_a_caller_who_goes_away_does_not_stop_the_deletion(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    made = await world.create(ann, "demo")
    world.data.gate.clear()
    call = asyncio.ensure_future(world.delete(ann, "demo", seconds=0.5))
    await world.data.removing()
    with pytest.raises(grpc.aio.AioRpcError):
        await call
    begun = time.monotonic()
    world.data.gate.set()
    await world.gone("demo")
    assert time.monotonic() - begun < 5.0
    assert world.data.removed == [made.uid]


@pytest.mark.parametrize("who", ["get", "list", "delete", "admin lists"])
async def test_after_a_restart_a_deletion_goes_on_when_an_admin_of_the_platform_looks(
    postgres_url: str, tmp_path: Path, who: str
) -> None:
    world = PlatformWorld(postgres_url, tmp_path)
    async with world.running():
        ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
        root = await world.user("root", Role.ADMIN)
        await world.create(ann, "demo")
        await world.share(ann, "demo", bob.name, access_pb.ROLE_EDITOR)
        world.data.failure = down()
        found = await refusal(world.delete(ann, "demo", request_id="r1"))
        assert (found.code, found.reason, found.retry_seconds) == (*DOWN, 2.0)
    world.data.failure = None
    tried = len(world.data.removers)
    async with world.running():
        request = pb.ListPlatformsRequest()
        await world.get(bob, "demo")  # no admin of it: nothing goes on
        await world.platforms.ListPlatforms(request, metadata=bob.metadata)
        await asyncio.sleep(0.8)
        assert len(world.data.removers) == tried
        if who == "get":
            assert (await world.get(ann, "demo")).state == P.DELETING
        elif who == "delete":
            await world.delete(ann, "demo", request_id="r1")
        else:
            user = root if who == "admin lists" else ann
            await world.platforms.ListPlatforms(request, metadata=user.metadata)
        await world.gone("demo")
        assert len(world.data.removed) == 1
        assert world.data.removers[-1].platform_role is Role.ADMIN


async def test_a_process_killed_during_an_attempt_holds_the_deletion_up_for_its_time_limit_only(
    world: PlatformWorld,
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    await world.create(ann, "demo")
    await world.sql(
        "UPDATE platforms SET status = 'deleting', deleted_at = now(), attempt = gen_random_uuid(), "
        "attempt_until = clock_timestamp() + interval '1.5 seconds'"
    )
    begun = time.monotonic()
    await world.delete(ann, "demo")
    assert 1.0 < time.monotonic() - begun < 8.0
    assert len(world.data.removed) == 1


async def test_many_deletions_at_once_remove_the_data_once(world: PlatformWorld) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
    made = await world.create(ann, "demo")
    await world.share(ann, "demo", bob.name, access_pb.ROLE_ADMIN)
    world.data.gate.clear()
    calls = [
        asyncio.ensure_future(world.delete(user, "demo", request_id=f"{user.name[6:]}-{turn}"))
        for user in (ann, bob)
        for turn in range(5)
    ]
    await world.data.removing()
    await asyncio.sleep(0.3)
    world.data.gate.set()
    await asyncio.gather(*calls)
    assert world.data.removed == [made.uid]
    assert [action for _, action in await actions(world)].count("DeletePlatform") == 1


async def test_a_fault_of_the_data_service_leaves_the_platform_deleting_and_shows_nothing(
    world: PlatformWorld,
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    await world.create(ann, "demo")
    world.data.failure = RuntimeError("secret detail")
    found = await refusal(world.delete(ann, "demo"))
    assert (found.code, found.reason) == ("INTERNAL", "INTERNAL")
    assert "secret" not in found.message
    assert (await world.get(ann, "demo")).state == P.DELETING
    world.data.failure = None
    await world.delete(ann, "demo")


async def test_a_stop_of_the_service_ends_what_runs_in_the_background(
    postgres_url: str, tmp_path: Path
) -> None:
    world = PlatformWorld(postgres_url, tmp_path)
    async with world.running():
        ann = await world.user("ann", Role.EDITOR)
        await world.create(ann, "demo")
        world.data.failure = down()
        await refusal(world.delete(ann, "demo"))
    count = len(world.data.removers)
    await asyncio.sleep(1.0)
    assert len(world.data.removers) == count
    assert len(await world.sql("SELECT 1 FROM platforms WHERE status = 'deleting'")) == 1
