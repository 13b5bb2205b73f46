"""Between rows of PostgreSQL and the domain's nouns; the only place that knows how they are spelt there."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

import asyncpg

from aidatalabs_services.platform.configs import config_text, read_config
from aidatalabs_services.platform.platforms import Platform, State

COLUMNS = (
    "id, platform_id, user_id, name, config, status, version, created_at, updated_at, deleted_at, purge_at, "
    "purge_noted"
)


def platform_of(row: asyncpg.Record) -> Platform:
    """The platform of a row that holds COLUMNS."""
    return Platform(
        id=row["platform_id"],
        uid=row["id"],
        display_name=row["name"],
        config=read_config(row["config"]),
        state=State(row["status"]),
        owner=f"users/{row['user_id']}",
        create_time=row["created_at"],
        update_time=row["updated_at"],
        version=row["version"],
        delete_time=row["deleted_at"],
        purge_time=row["purge_at"],
        purge_noted=row["purge_noted"],
    )


def user_uuid(user: str) -> UUID:
    """The UUID in `users/{id}`. Raises ValueError where it is none."""
    return UUID(user.removeprefix("users/"))


def answer_bytes(platform: Platform) -> bytes:
    """A platform as an answer to give again, whatever becomes of the platform."""
    content = {
        "id": platform.id,
        "uid": str(platform.uid),
        "display_name": platform.display_name,
        "config": config_text(platform.config),
        "state": platform.state.value,
        "owner": platform.owner,
        "create_time": platform.create_time.isoformat(),
        "update_time": platform.update_time.isoformat(),
        "version": platform.version,
        "delete_time": platform.delete_time.isoformat() if platform.delete_time else None,
    }
    return json.dumps(content).encode()


def answer_of(text: bytes) -> Platform:
    """The platform in the bytes of an answer."""
    content = json.loads(text)
    deleted = content.get("delete_time")  # answers of older versions have none
    return Platform(
        id=content["id"],
        uid=UUID(content["uid"]),
        display_name=content["display_name"],
        config=read_config(content["config"]),
        state=State(content["state"]),
        owner=content["owner"],
        create_time=datetime.fromisoformat(content["create_time"]),
        update_time=datetime.fromisoformat(content["update_time"]),
        version=content["version"],
        delete_time=datetime.fromisoformat(deleted) if deleted else None,
    )
