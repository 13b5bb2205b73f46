"""Tokens and sign-in links for the local mesh, made by whoever can read its keys or its database.

The way the first admin comes in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from aidatalabs_services.identity.adapters.key_directory import KeyDirectory
from aidatalabs_services.identity.bootstrap import MIGRATIONS, SCHEMA, Stores, postgres_stores
from aidatalabs_services.identity.keys import KeyRing
from aidatalabs_services.identity.sessions import LINK_LIFETIME, digest, new_secret
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
    keys = await local_keys(key_directory)
    async with _stores(postgres_url) as stores:
        user = await stores.users.put(address, role)
    return issue(keys, user, lifetime, now=_now)


async def issue_login_code(postgres_url: str, email: str, role: Role | None) -> str:
    """The code of a sign-in link for the user of this e-mail: good once, for ten minutes.

    User and role are dealt with as for a token. Raises EmailInvalid, ServiceUnavailable and MigrationRefused.
    """
    address, code = normal_email(email), new_secret()
    hashed = digest(code)
    if hashed is None:
        raise ValueError("a new code has the form of one")
    async with _stores(postgres_url) as stores:
        user = await stores.users.put(address, role)
        await stores.sessions.add_link(hashed, user.id, LINK_LIFETIME)
    return code


async def local_keys(key_directory: Path) -> KeyRing:
    """The keys as they are now. Raises KeyDirectoryUnsafe."""
    return await asyncio.to_thread(KeyDirectory(key_directory, _now).load)


@asynccontextmanager
async def _stores(postgres_url: str) -> AsyncIterator[Stores]:
    await migrate(postgres_url, SCHEMA, MIGRATIONS)
    database = await open_database(postgres_url, SCHEMA, most_connections=1)
    try:
        yield postgres_stores(database)
    finally:
        await database.close()


def _now() -> datetime:
    return datetime.now(UTC)
