"""Tokens for the local mesh, made by whoever can read its keys: the way the first admin comes in."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from aidatalabs_services.identity.adapters.key_directory import KeyDirectory
from aidatalabs_services.identity.adapters.postgres_users import PostgresUserStore
from aidatalabs_services.identity.bootstrap import MIGRATIONS, SCHEMA
from aidatalabs_services.identity.tokens import check_lifetime, issue
from aidatalabs_services.identity.users import normal_email
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.migrations import migrate
from aidatalabs_services.runtime.postgres import open_database


async def issue_local_token(
    postgres_url: str, key_directory: Path, email: str, role: Role | None, ttl_seconds: float
) -> str:
    """A token for the user of this e-mail, who is created as a viewer where missing.

    `role` sets the mesh role of a new or known user; None leaves it. `ttl_seconds` is 1 to 86,400. Nothing
    is written unless e-mail and lifetime are good. Raises EmailInvalid, LifetimeInvalid, KeyDirectoryUnsafe,
    ServiceUnavailable (no PostgreSQL) and MigrationRefused.
    """
    address, lifetime = normal_email(email), check_lifetime(ttl_seconds)
    keys = await asyncio.to_thread(KeyDirectory(key_directory, _now).load)
    await migrate(postgres_url, SCHEMA, MIGRATIONS)
    database = await open_database(postgres_url, SCHEMA, most_connections=1)
    try:
        user = await PostgresUserStore(database).put(address, role)
    finally:
        await database.close()
    return issue(keys, user, lifetime, now=_now)


def _now() -> datetime:
    return datetime.now(UTC)
