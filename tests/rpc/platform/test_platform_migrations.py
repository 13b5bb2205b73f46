from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from aidatalabs.platform.v1 import platform_pb2
from aidatalabs_services.platform.bootstrap import MIGRATIONS, SCHEMA
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.migrations import migrate, read_migrations
from tests.rpc.platform.world import PlatformWorld, refused

P = platform_pb2.Platform


async def older(postgres_url: str, owner: UUID) -> None:
    """The schema as the first version left it, a platform in every state and one of its answers."""
    first = read_migrations(MIGRATIONS)[0]
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute(f"CREATE SCHEMA {SCHEMA}; SET search_path = {SCHEMA}")
        await connection.execute(
            "CREATE TABLE schema_migrations (number int PRIMARY KEY, name text NOT NULL, "
            "checksum text NOT NULL, applied_time timestamptz NOT NULL DEFAULT now())"
        )
        await connection.execute(first.sql)
        await connection.execute(
            "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
            first.number,
            first.name,
            first.checksum,
        )
        for status in ("active", "failed", "deleting", "provisioning"):
            uid = await connection.fetchval(
                "INSERT INTO platforms (platform_id, user_id, name, config, status) "
                "VALUES ($1, $2, 'Old', '{\"a\": 1}', $1) RETURNING id",
                status,
                owner,
            )
            await connection.execute(
                "INSERT INTO platform_members VALUES ($1, $2, 'admin')", uid, f"users/{owner}"
            )
        row = await connection.fetchrow("SELECT * FROM platforms WHERE platform_id = 'active'")
        assert row is not None
        answer = {
            "id": "active",
            "uid": str(row["id"]),
            "display_name": "Old",
            "config": '{"a":1}',
            "state": "active",
            "owner": f"users/{owner}",
            "create_time": row["created_at"].isoformat(),
            "update_time": row["updated_at"].isoformat(),
            "version": 1,
        }
        await connection.execute(
            "INSERT INTO requests (user_id, method, request_id, request_hash, platform_id, response) "
            "VALUES ($1, 'CreatePlatform', 'r1', sha256('active\nOld\n{\"a\":1.0}'), $2, $3)",
            owner,
            row["id"],
            json.dumps(answer).encode(),
        )
    finally:
        await connection.close()


async def test_platforms_of_the_first_version_are_read_answered_and_deleted_by_this_one(
    postgres_url: str, tmp_path: Path
) -> None:
    world = PlatformWorld(postgres_url, tmp_path)
    async with world.running():
        ann = await world.user("ann", Role.EDITOR)
    await world.sql("DROP SCHEMA platform CASCADE")
    await older(postgres_url, UUID(ann.name.removeprefix("users/")))
    async with world.running():
        states = {
            "active": P.ACTIVE,
            "failed": P.FAILED,
            "deleting": P.DELETING,
            "provisioning": P.PROVISIONING,
        }
        for platform_id, state in states.items():
            found = await world.get(ann, platform_id)
            assert (found.state, found.config["a"]) == (state, 1)
            assert found.HasField("delete_time") == (state == P.DELETING)
        made = await world.get(ann, "active")
        again = await world.create(ann, "active", display_name="Old", config={"a": 1}, request_id="r1")
        assert again == made
        assert (await world.update(ann, "active", display_name="New", etag=made.etag)).display_name == "New"
        await world.gone("deleting")  # reading it took its deletion up
        for platform_id in ("active", "failed", "provisioning"):
            await world.delete(ann, platform_id)
        assert await world.sql("SELECT 1 FROM platforms") == []


async def test_the_migrations_are_applied_once(postgres_url: str) -> None:
    assert len(await migrate(postgres_url, SCHEMA, MIGRATIONS)) == len(read_migrations(MIGRATIONS))
    assert await migrate(postgres_url, SCHEMA, MIGRATIONS) == []


async def test_the_database_holds_no_deleting_platform_without_a_time(world: PlatformWorld) -> None:
    ann = await world.user("ann", Role.EDITOR)
    await world.create(ann, "demo")
    for change in ("status = 'deleting'", "deleted_at = now()"):
        with pytest.raises(asyncpg.CheckViolationError):
            await world.sql(f"UPDATE platforms SET {change}")
    assert await refused(world.get(ann, "absent")) == ("NOT_FOUND", "PLATFORM_NOT_FOUND")
