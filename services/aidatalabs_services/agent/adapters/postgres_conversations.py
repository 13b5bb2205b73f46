"""Conversations in PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import structlog

from aidatalabs_services.agent.conversations import Conversation, Owner, Turn
from aidatalabs_services.runtime.errors import DeadlineExceeded, ServiceUnavailable
from aidatalabs_services.runtime.postgres import Connection, Database

_TURNS = (
    "SELECT number, question, outcome, plan::text AS plan, sql, sql_sha256, result_sha256, "
    "catalogue_version, produced_by, reason, steps, followed, created_at FROM turns "
    "WHERE conversation_id = $1"
)
_ADD = (
    "INSERT INTO turns (conversation_id, number, question, outcome, plan, sql, sql_sha256, result_sha256, "
    "catalogue_version, produced_by, reason, steps, followed) "
    "SELECT id, turn_count, $1, $2, $3::jsonb, $4, $5, $6, $7, $8, $9, $10, $11 FROM held "
    "RETURNING conversation_id, number"
)
_PURGED_AT_ONCE = 500
_PURGE_EVERY_SECONDS = 600.0


class PostgresConversations:
    """`ConversationStore` over one pool. `open` comes before all else."""

    def __init__(self, *, retention_days: float) -> None:
        self._retention_seconds = retention_days * 86_400
        self._opened: Database | None = None
        self._purging: asyncio.Task[None] | None = None

    def open(self, database: Database) -> None:
        """Takes the pool, and begins to remove what is too old; call it inside the loop that serves."""
        self._opened = database
        self._purging = asyncio.create_task(self._purge_forever())

    async def close(self) -> None:
        """Stops removing; the pool is its owner's to close."""
        if self._purging is not None:
            self._purging.cancel()
            await asyncio.gather(self._purging, return_exceptions=True)

    @property
    def database(self) -> Database:
        """The pool. Raises RuntimeError before `open`."""
        if self._opened is None:
            raise RuntimeError("the store of conversations was not opened")
        return self._opened

    async def latest(self, owner: Owner, conversation: str) -> tuple[int, Turn | None] | None:
        """See ConversationStore."""
        async with self.database.connection() as run:
            count = await run.fetchval(
                "SELECT turn_count FROM conversations WHERE id = $1 AND platform_uid = $2 AND owner = $3",
                *(id_of(conversation), owner.platform_uid, owner.user),
            )
            if count is None:
                return None
            row = await run.fetchrow(
                f"{_TURNS} AND outcome = 'answered' ORDER BY number DESC LIMIT 1", id_of(conversation)
            )
        return count, _turn(row) if row is not None else None

    async def add(self, owner: Owner, conversation: str, turn: Turn) -> tuple[str, int] | None:
        """See ConversationStore."""
        values: tuple[object, ...] = (
            *(storable(turn.question), turn.outcome, plan_text(turn.plan), storable(turn.sql)),
            *(turn.sql_sha256, turn.result_sha256, turn.catalogue_version, turn.produced_by, turn.reason),
            storable("\n".join(" ".join(step.split()) for step in turn.steps)),
            turn.followed,
        )
        if conversation:
            held = (
                "UPDATE conversations SET turn_count = turn_count + 1, updated_at = now() "
                "WHERE id = $14 AND platform_uid = $12 AND owner = $13 RETURNING id, turn_count"
            )
            values = (*values, owner.platform_uid, owner.user, id_of(conversation))
        else:
            held = (
                "INSERT INTO conversations (platform_uid, owner, turn_count) VALUES ($12, $13, 1) "
                "RETURNING id, turn_count"
            )
            values = (*values, owner.platform_uid, owner.user)
        async with self.database.connection() as run:
            row = await run.fetchrow(f"WITH held AS ({held}) {_ADD}", *values)
        return (str(row["conversation_id"]), row["number"]) if row is not None else None

    async def page(
        self, owner: Owner, most: int, after: tuple[datetime, str] | None
    ) -> Sequence[Conversation]:
        """See ConversationStore."""
        where = ""
        values: list[object] = [owner.platform_uid, owner.user, most]
        if after is not None:
            where = "AND (updated_at, id) < ($4, $5)"
            values += [after[0], id_of(after[1])]
        async with self.database.connection() as run:
            rows = await run.fetch(
                f"{_CONVERSATION} WHERE platform_uid = $1 AND owner = $2 {where} "
                "ORDER BY updated_at DESC, id DESC LIMIT $3",
                *values,
            )
        return [_conversation(row, ()) for row in rows]

    async def whole(self, owner: Owner, conversation: str) -> Conversation | None:
        """See ConversationStore."""
        async with self.database.connection() as run:
            row = await run.fetchrow(
                f"{_CONVERSATION} WHERE id = $1 AND platform_uid = $2 AND owner = $3",
                *(id_of(conversation), owner.platform_uid, owner.user),
            )
            if row is None:
                return None
            turns = await run.fetch(f"{_TURNS} ORDER BY number", id_of(conversation))
        return _conversation(row, tuple(map(_turn, turns)))

    async def delete(self, owner: Owner, conversation: str) -> bool:
        """See ConversationStore."""
        async with self.database.connection() as run:
            return bool(
                await run.fetchval(
                    "DELETE FROM conversations WHERE id = $1 AND platform_uid = $2 AND owner = $3 "
                    "RETURNING true",
                    *(id_of(conversation), owner.platform_uid, owner.user),
                )
            )

    async def delete_all(self, platform_uid: str, user: str | None) -> int:
        """See ConversationStore."""
        async with self.database.connection() as run:
            told = await run.execute(
                "DELETE FROM conversations WHERE platform_uid = $1 AND ($2::text IS NULL OR owner = $2)",
                *(platform_uid, user),
            )
        return int(told.rpartition(" ")[2])

    async def purge(self) -> int:
        """Removes some of the conversations that nobody went on with for too long; how many."""
        async with self.database.connection() as run:
            return await _purged(run, self._retention_seconds)

    async def _purge_forever(self) -> None:
        while True:
            try:
                count = _PURGED_AT_ONCE
                while count == _PURGED_AT_ONCE:
                    count = await self.purge()
            except (ServiceUnavailable, DeadlineExceeded) as error:
                structlog.get_logger().warning("conversations not purged", reason=error.reason)
            await asyncio.sleep(_PURGE_EVERY_SECONDS)


async def _purged(run: Connection, seconds: float) -> int:
    told = await run.execute(
        "DELETE FROM conversations WHERE id IN (SELECT id FROM conversations "
        "WHERE updated_at < now() - make_interval(secs => $1) LIMIT $2 FOR UPDATE SKIP LOCKED)",
        *(seconds, _PURGED_AT_ONCE),
    )
    return int(told.rpartition(" ")[2])


_CONVERSATION = (
    "SELECT id, turn_count, created_at, updated_at, (SELECT question FROM turns "
    "WHERE conversation_id = conversations.id AND number = 1) AS title FROM conversations"
)


def storable(text: str) -> str:
    """The text with a replacement sign for U+0000, which PostgreSQL keeps in no text."""
    return text.replace("\0", "\ufffd")


def plan_text(plan: Mapping[str, Any] | None) -> str | None:
    """A plan as JSON; None where there is none, or where a value of it cannot be kept."""
    text = json.dumps(plan) if plan is not None else None
    return None if text is not None and "\\u0000" in text else text


def id_of(conversation: str) -> uuid.UUID:
    """The id of a text; of one that is no id, an id that nothing has."""
    try:
        return uuid.UUID(conversation)
    except ValueError:
        return uuid.UUID(int=0)


def _turn(row: asyncpg.Record) -> Turn:
    fields: dict[str, Any] = dict(row)
    fields["plan"] = json.loads(fields["plan"]) if fields["plan"] is not None else None
    fields["steps"] = tuple(fields["steps"].splitlines())
    return Turn(**fields)


def _conversation(row: asyncpg.Record, turns: tuple[Turn, ...]) -> Conversation:
    return Conversation(
        str(row["id"]), row["title"] or "", row["turn_count"], row["created_at"], row["updated_at"], turns
    )
