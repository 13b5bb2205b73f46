"""Conversations and lessons go with their platform: the real agent service over the same PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio

from aidatalabs.platform.v1 import platform_service_pb2 as pb
from aidatalabs_services.agent.adapters.postgres_purges import PostgresPurges
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.postgres import open_database
from tests.rpc.platform.world import PlatformWorld, refused

DOWN = ("UNAVAILABLE", "SERVICE_UNAVAILABLE")
OTHER = "00000000-0000-4000-8000-0000000000ff"


@pytest_asyncio.fixture
async def world(postgres_url: str, tmp_path: Path) -> AsyncIterator[PlatformWorld]:
    """A platform service that knows of an agent service; each test starts that one."""
    world = PlatformWorld(postgres_url, tmp_path)
    world.has_agent = True
    async with world.running():
        yield world


async def talked(world: PlatformWorld, *uids: str) -> None:
    """Two conversations with a turn and feedback each, and two lessons, one of them forgotten."""
    for uid in uids:
        await world.sql(
            "WITH held AS (INSERT INTO agent.conversations (platform_uid, owner, turn_count) "
            "SELECT $1, 'users/' || n, 1 FROM generate_series(1, 2) AS n RETURNING id), "
            "turn AS (INSERT INTO agent.turns (conversation_id, number, question, outcome) "
            "SELECT id, 1, 'how many?', 'answered' FROM held RETURNING conversation_id) "
            "INSERT INTO agent.lessons (platform_uid, question_key, question, sql, origin, taught_by, "
            "forgotten_at) SELECT $1, n::text, 'how many?', 'SELECT 1', 'confirmed', 'users/1', "
            "CASE n WHEN 2 THEN now() END FROM generate_series(1, 2) AS n",
            uid,
        )
        await world.sql(
            "INSERT INTO agent.feedback (conversation_id, turn, user_id, verdict) "
            "SELECT id, 1, owner, 'right' FROM agent.conversations WHERE platform_uid = $1",
            uid,
        )


async def left(world: PlatformWorld, uid: str) -> tuple[int, ...]:
    """Conversations and lessons of a platform; turns and feedback of all."""
    counts = [
        "SELECT count(*) FROM agent.conversations WHERE platform_uid = $1",
        "SELECT count(*) FROM agent.lessons WHERE platform_uid = $1",
        "SELECT count(*) FROM agent.turns WHERE $1 <> ''",
        "SELECT count(*) FROM agent.feedback WHERE $1 <> ''",
    ]
    return tuple([(await world.sql(one, uid))[0][0] for one in counts])


async def swept(world: PlatformWorld) -> None:
    """What an agent service does at its start, and then each minute."""
    database = await open_database(world.postgres_url, "agent", most_connections=1)
    store = PostgresPurges()
    store.open(database)
    await store.sweep()
    await store.close()
    await database.close()


async def test_a_purged_platform_takes_what_was_said_about_it_along_and_nothing_of_others(
    world: PlatformWorld,
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    made = await world.create(ann, "demo")
    async with AsyncExitStack() as stack:
        await world.start_agent(stack)
        await talked(world, made.uid, OTHER)
        await world.delete(ann, "demo")
        assert world.data.removed == [made.uid]
        assert await left(world, made.uid) == (0, 0, 2, 2)
        assert await left(world, OTHER) == (2, 2, 2, 2)
        # A call that had begun before and ends after it may still write.
        await talked(world, made.uid)
        await swept(world)
        assert await left(world, made.uid) == (0, 0, 2, 2)


async def test_without_the_agent_service_a_deletion_waits_and_ends_once_it_is_back(
    world: PlatformWorld,
) -> None:
    ann = await world.user("ann", Role.EDITOR)
    made = await world.create(ann, "demo")
    async with AsyncExitStack() as stack:
        await world.start_agent(stack)
        await talked(world, made.uid)
    assert await refused(world.delete(ann, "demo", seconds=3.0)) == DOWN
    assert world.data.removed == []
    assert (await world.sql("SELECT status FROM platforms"))[0][0] == "deleting"
    async with AsyncExitStack() as stack:
        await world.start_agent(stack)
        await world.gone("demo")
        assert world.data.removed == [made.uid]
        assert await left(world, made.uid) == (0, 0, 0, 0)


async def test_what_was_said_comes_back_with_the_platform_and_goes_when_its_grace_is_over(
    postgres_url: str, tmp_path: Path
) -> None:
    world = PlatformWorld(postgres_url, tmp_path)
    world.has_agent, world.grace_hours = True, 1.0
    async with world.running(), AsyncExitStack() as stack:
        await world.start_agent(stack)
        ann = await world.user("ann", Role.EDITOR)
        made = await world.create(ann, "demo")
        await talked(world, made.uid)
        await world.delete(ann, "demo")
        ((due, removed),) = await world.sql("SELECT due_at, removed FROM agent.purges")
        assert not removed
        assert due == (await world.sql("SELECT purge_at FROM platforms"))[0][0]
        await swept(world)
        undelete = pb.UndeletePlatformRequest(name="platforms/demo")
        await world.platforms.UndeletePlatform(undelete, metadata=ann.metadata)
        assert await world.sql("SELECT FROM agent.purges") == []
        assert await left(world, made.uid) == (2, 2, 2, 2)
        await world.delete(ann, "demo")
        await world.sql("UPDATE agent.purges SET due_at = now() - interval '50 seconds'")
        await swept(world)  # who was just in time to bring it back has not lost it
        assert await left(world, made.uid) == (2, 2, 2, 2)
        await world.sql("UPDATE agent.purges SET due_at = now() - interval '61 seconds'")
        await asyncio.gather(swept(world), swept(world))
        assert await left(world, made.uid) == (0, 0, 0, 0)


async def test_a_kill_between_the_note_of_a_purge_and_its_end_leaves_it_to_the_next_start(
    world: PlatformWorld,
) -> None:
    async with AsyncExitStack() as stack:
        await world.start_agent(stack)
    await talked(world, OTHER)
    await world.sql("INSERT INTO agent.purges VALUES ($1, now(), true)", OTHER)
    async with AsyncExitStack() as stack, asyncio.timeout(10):
        await world.start_agent(stack)
        while await left(world, OTHER) != (0, 0, 0, 0):
            await asyncio.sleep(0.02)
