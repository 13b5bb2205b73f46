"""Versions of definitions in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg

from aidatalabs_services.agent.adapters.postgres_conversations import PostgresConversations
from aidatalabs_services.agent.conversations import Owner
from aidatalabs_services.agent.definition_versions import (
    KEPT_VERSIONS,
    Changed,
    Decide,
    Request,
    Said,
    Version,
    definitions_of,
    first_answer,
    text_of,
)
from aidatalabs_services.agent.planner.definitions import Definitions

# One step into the primary key, and the text only where it is another one.
_CURRENT = (
    "SELECT version, CASE WHEN version <> $2 THEN content END AS content FROM definitions "
    "WHERE platform_uid = $1 ORDER BY version DESC LIMIT 1"
)
_REPEATED = (
    "SELECT version, content, changes, request_sha256 FROM definitions "
    "WHERE platform_uid = $1 AND changed_by = $2 AND request_id = $3 AND request_id <> ''"
)
_WRITE = (
    "INSERT INTO definitions (platform_uid, version, content, changes, changed_by, restored_version, "
    "request_id, request_sha256) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
)


class PostgresDefinitions:
    """`DefinitionStore` over the pool of the conversations."""

    def __init__(self, conversations: PostgresConversations) -> None:
        self._conversations = conversations

    async def current(self, platform_uid: str, known_version: int) -> Said | None:
        """See DefinitionStore."""
        async with self._conversations.database.connection() as run:
            row = await run.fetchrow(_CURRENT, platform_uid, known_version)
        return _said(row, known_version)

    async def at(self, platform_uid: str, version: int) -> Definitions | None:
        """See DefinitionStore."""
        async with self._conversations.database.connection() as run:
            text = await run.fetchval(
                "SELECT content FROM definitions WHERE platform_uid = $1 AND version = $2",
                *(platform_uid, version),
            )
        return definitions_of(text) if text is not None else None

    async def change(self, owner: Owner, request: Request, decide: Decide) -> Changed:
        """See DefinitionStore."""
        async with self._conversations.database.transaction() as run:
            await run.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", f"definitions {owner.platform_uid}"
            )
            if request.request_id:
                row = await run.fetchrow(_REPEATED, owner.platform_uid, owner.user, request.request_id)
                if row is not None:
                    earlier = Said(row["version"], definitions_of(row["content"]))
                    return first_answer(
                        row["request_sha256"], Changed(earlier, _lines(row["changes"])), request
                    )
            said = _said(await run.fetchrow(_CURRENT, owner.platform_uid, -1), -1) or Said()
            written = await asyncio.to_thread(decide, said)  # fitting a large schema is arithmetic
            if written is None:
                return Changed(said, ())
            version = said.version + 1
            await run.execute(
                _WRITE,
                *(owner.platform_uid, version, text_of(written.definitions), "\n".join(written.changes)),
                *(owner.user, written.restored_version, request.request_id, request.content),
            )
            await run.execute(
                "DELETE FROM definitions WHERE platform_uid = $1 AND version <= $2",
                *(owner.platform_uid, version - KEPT_VERSIONS),
            )
        return Changed(Said(version, written.definitions), written.changes)

    async def page(self, platform_uid: str, most: int, before: int | None) -> Sequence[Version]:
        """See DefinitionStore."""
        async with self._conversations.database.connection() as run:
            rows = await run.fetch(
                "SELECT version, changed_by, changed_at, changes, restored_version FROM definitions "
                "WHERE platform_uid = $1 AND ($2::integer IS NULL OR version < $2) "
                "ORDER BY version DESC LIMIT $3",
                *(platform_uid, before, most),
            )
        return [Version(**{**dict(row), "changes": _lines(row["changes"])}) for row in rows]


def _said(row: asyncpg.Record | None, known_version: int) -> Said | None:
    if row is None:
        return None if known_version == 0 else Said()
    return Said(row["version"], definitions_of(row["content"])) if row["content"] is not None else None


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n")) if text else ()
