"""The key of seals in PostgreSQL: one for all processes of the agent service."""

from __future__ import annotations

import secrets

from aidatalabs_services.runtime.postgres import Database

_KEY_BYTES = 32


async def seal_key(database: Database) -> bytes:
    """The mesh's key; the first who asks makes it. Raises ServiceUnavailable without a server."""
    async with database.connection() as run:
        await run.execute(
            "INSERT INTO seal_keys (id, key) VALUES (1, $1) ON CONFLICT (id) DO NOTHING",
            secrets.token_bytes(_KEY_BYTES),
        )
        key: bytes = await run.fetchval("SELECT key FROM seal_keys WHERE id = 1")
    return key
