"""A deleted platform is out of sight, comes back as it was, and goes for good when its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs.common.v1 import access_service_pb2 as access_pb
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2 as pb
from aidatalabs_services.platform.undeletion import PlatformPurges
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import ServiceUnavailable
from tests.rpc.platform.world import PlatformWorld, User, refusal, refused

MISSING = ("NOT_FOUND", "PLATFORM_NOT_FOUND")
P = platform_pb2.Platform


@pytest_asyncio.fixture
async def world(postgres_url: str, tmp_path: Path) -> AsyncIterator[PlatformWorld]:
    """A world in which a deleted platform can be brought back for an hour."""
    world = PlatformWorld(postgres_url, tmp_path)
    world.grace_hours = 1.0
    async with world.running():
        yield world


async def undelete(world: PlatformWorld, user: User) -> platform_pb2.Platform:
    request = pb.UndeletePlatformRequest(name="platforms/demo")
    return await world.platforms.UndeletePlatform(request, metadata=user.metadata)


async def shown(world: PlatformWorld, user: User, *, deleted: bool = True) -> list[platform_pb2.Platform]:
    request = pb.ListPlatformsRequest(show_deleted=deleted)
    return list((await world.platforms.ListPlatforms(request, metadata=user.metadata)).platforms)


async def asked(world: PlatformWorld, user: User) -> Any:
    request = data_pb.ListTablesRequest(platform="platforms/demo")
    return await world.tables.ListTables(request, metadata=user.metadata)


async def test_a_deleted_platform_answers_as_a_missing_one_and_comes_back_with_its_members(
    world: PlatformWorld,
) -> None:
    ann, bob = await world.user("ann", Role.EDITOR), await world.user("bob", Role.VIEWER)
    made = await world.create(ann, "demo", display_name="Demo", config={"team": "data"})
    await world.share(ann, "demo", bob.name, access_pb.ROLE_VIEWER)
    await world.delete(ann, "demo", request_id="d-1")
    await world.delete(ann, "demo", request_id="d-1")
    assert world.data.removed == []
    assert list(world.data.due) == [made.uid]
    for call in (
        lambda user: world.get(user, "demo"),
        lambda user: world.update(user, "demo", display_name="New"),
        lambda user: world.delete(user, "demo"),
        lambda user: world.share(user, "demo", bob.name, access_pb.ROLE_EDITOR),
        lambda user: asked(world, user),
    ):
        assert await refused(call(ann)) == MISSING
    assert await refused(undelete(world, bob)) == MISSING
    assert [one.name for one in await shown(world, ann, deleted=False)] == []
    assert [one.name for one in await shown(world, bob)] == []
    (found,) = await shown(world, ann)
    assert (found.name, found.state) == ("platforms/demo", P.DELETED)
    assert found.purge_time.ToSeconds() - found.delete_time.ToSeconds() == 3600
    request = pb.GetPlatformRequest(name="platforms/demo", show_deleted=True)
    assert await world.platforms.GetPlatform(request, metadata=ann.metadata) == found
    assert await refused(world.platforms.GetPlatform(request, metadata=bob.metadata)) == MISSING

    back = await undelete(world, ann)
    assert back == made == await world.get(bob, "demo")
    assert world.data.due == {}
    assert await undelete(world, ann) == back
    await asked(world, ann)
    members = await world.platforms.ListMembers(
        pb.ListMembersRequest(platform="platforms/demo"), metadata=ann.metadata
    )
    assert [member.member for member in members.members] == [ann.name, bob.name]


async def test_the_id_of_a_deleted_platform_stays_taken_and_the_refusal_names_the_ways_out(
    world: PlatformWorld,
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    first = await world.create(ann, "demo")
    await world.delete(ann, "demo")
    error = await refusal(world.create(ann, "demo"))
    assert error.reason == "PLATFORM_DELETED"
    assert error.metadata["platform"] == "platforms/demo"
    assert "UndeletePlatform" in error.message
    await world.delete(ann, "demo", purge=True)
    assert world.data.removed == [first.uid]
    assert await refused(undelete(world, ann)) == MISSING
    second = await world.create(ann, "demo")
    assert second.uid != first.uid
    await world.delete(ann, "demo", purge=True)
    assert world.data.removed == [first.uid, second.uid]


async def test_a_platform_that_nobody_brings_back_goes_for_good(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    await world.create(ann, "demo")
    await world.delete(ann, "demo")
    await world.sql("UPDATE platforms SET purge_at = now() - interval '1 second'")
    assert await refused(undelete(world, ann)) == MISSING
    from aidatalabs_services.platform.adapters.postgres_platforms import PostgresPlatformStore
    from aidatalabs_services.runtime.postgres import open_database

    database = await open_database(world.postgres_url, "platform", most_connections=1)
    purges = PlatformPurges(PostgresPlatformStore(database), seconds=0.05)
    purges.start()
    await world.gone("demo")
    await purges.close()
    await database.close()
    assert await shown(world, ann) == []
    assert await world.sql("SELECT 1 FROM platform_members") == []
    rows = await world.sql("SELECT action FROM audit_logs ORDER BY timestamp")
    assert [row["action"] for row in rows] == ["CreatePlatform", "DeletePlatform", "PurgePlatform"]
    assert (await world.create(ann, "demo")).state == P.ACTIVE


async def test_what_the_data_service_was_not_told_it_is_told_later(
    world: PlatformWorld,
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    made = await world.create(ann, "demo")
    world.data.failure = ServiceUnavailable("Not now.", metadata={"service": "engine"})
    assert await refused(world.delete(ann, "demo")) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE")
    assert await refused(world.get(ann, "demo")) == MISSING
    await world.sql("UPDATE platforms SET purge_at = now() + interval '2 hours'")
    world.data.failure = None
    async with asyncio.timeout(15):
        while made.uid not in world.data.due:
            await asyncio.sleep(0.05)
    (row,) = await world.sql("SELECT purge_noted, purge_at FROM platforms")
    async with asyncio.timeout(5):
        while not row["purge_noted"]:
            (row,) = await world.sql("SELECT purge_noted, purge_at FROM platforms")


async def test_an_undeletion_that_fails_leaves_the_platform_deleted_and_its_purge_is_noted_anew(
    world: PlatformWorld,
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    made = await world.create(ann, "demo")
    await world.delete(ann, "demo")
    world.data.failure = ServiceUnavailable("Not now.", metadata={"service": "engine"})
    assert await refused(undelete(world, ann)) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE")
    world.data.failure = None
    world.data.due.clear()  # as if it had forgotten the moment before it failed
    assert await refused(world.get(ann, "demo")) == MISSING
    await shown(world, ann, deleted=False)  # whoever owns it looks
    async with asyncio.timeout(15):
        while made.uid not in world.data.due:
            await asyncio.sleep(0.05)
    assert (await undelete(world, ann)).state == P.ACTIVE


@pytest.mark.parametrize("moment", ["deleted", "undeleting"])
async def test_a_kill_at_any_moment_leaves_a_deleted_platform_that_can_be_brought_back(
    world: PlatformWorld, moment: str
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    made = await world.create(ann, "demo")
    await world.delete(ann, "demo")
    # What a process leaves that was killed before the data service answered.
    if moment == "deleted":
        await world.sql("UPDATE platforms SET purge_noted = false")
    else:
        await world.sql(
            "UPDATE platforms SET purge_noted = false, attempt = gen_random_uuid(), attempt_by = user_id, "
            "attempt_until = clock_timestamp() + interval '1 second'"
        )
    assert await refused(world.get(ann, "demo")) == MISSING
    assert (await undelete(world, ann)).uid == made.uid
