"""Feedback and lessons in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from aidatalabs_services.agent.adapters.postgres_conversations import (
    PostgresConversations,
    id_of,
    plan_text,
    storable,
)
from aidatalabs_services.agent.conversations import Owner
from aidatalabs_services.agent.lessons import Feedback, Lesson

_COLUMNS = "id, question, sql, plan::text AS plan, origin, taught_by, created_at, forgotten_by, forgotten_at"
_TEACH = (  # names of our own, values bound
    "INSERT INTO lessons (platform_uid, question_key, question, sql, plan, origin, taught_by) "  # noqa: S608
    f"VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7) RETURNING {_COLUMNS}"
)
_FORGET = (
    "UPDATE lessons SET forgotten_at = coalesce(forgotten_at, now()), "  # noqa: S608 - names of our own
    "forgotten_by = CASE WHEN forgotten_at IS NULL THEN $3 ELSE forgotten_by END "
    f"WHERE id = $1 AND platform_uid = $2 RETURNING {_COLUMNS}"
)
_LISTED = 1000


class PostgresLessons:
    """`LessonStore` over the pool of the conversations."""

    def __init__(self, conversations: PostgresConversations) -> None:
        self._conversations = conversations

    async def note(self, feedback: Feedback, sql: str) -> None:
        """See LessonStore."""
        async with self._conversations.database.connection() as run:
            await run.execute(
                "INSERT INTO feedback (conversation_id, turn, user_id, verdict, sql, comment) "
                "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (conversation_id, turn) DO UPDATE SET "
                "verdict = excluded.verdict, sql = excluded.sql, comment = excluded.comment, "
                "created_at = now()",
                *(id_of(feedback.conversation), feedback.turn, feedback.owner.user, feedback.worth.value),
                *(storable(sql), storable(feedback.comment)),
            )

    async def in_use(self, platform_uid: str, key: str) -> Lesson | None:
        """See LessonStore."""
        async with self._conversations.database.connection() as run:
            row = await run.fetchrow(
                f"SELECT {_COLUMNS} FROM lessons "  # noqa: S608 - names of our own
                "WHERE platform_uid = $1 AND question_key = $2 AND forgotten_at IS NULL",
                *(platform_uid, key),
            )
        return _lesson(row) if row is not None else None

    async def count(self, platform_uid: str) -> int:
        """See LessonStore."""
        async with self._conversations.database.connection() as run:
            found: int = await run.fetchval(
                "SELECT count(*) FROM lessons WHERE platform_uid = $1 AND forgotten_at IS NULL", platform_uid
            )
        return found

    async def teach(
        self, owner: Owner, key: str, question: str, sql: str, plan: Mapping[str, Any] | None, origin: str
    ) -> Lesson:
        """See LessonStore."""
        async with self._conversations.database.transaction() as run:
            await run.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"{owner.platform_uid} {key}")
            await run.execute(
                "UPDATE lessons SET forgotten_at = now(), forgotten_by = $3 "
                "WHERE platform_uid = $1 AND question_key = $2 AND forgotten_at IS NULL",
                *(owner.platform_uid, key, owner.user),
            )
            row = await run.fetchrow(
                _TEACH,
                *(owner.platform_uid, key, storable(question), storable(sql)),
                *(plan_text(plan), origin, owner.user),
            )
        return _lesson(row)

    async def forget(self, owner: Owner, lesson: str) -> Lesson | None:
        """See LessonStore."""
        async with self._conversations.database.connection() as run:
            row = await run.fetchrow(
                _FORGET,
                *(id_of(lesson), owner.platform_uid, owner.user),
            )
        return _lesson(row) if row is not None else None

    async def page(self, platform_uid: str, *, forgotten: bool) -> Sequence[Lesson]:
        """See LessonStore."""
        async with self._conversations.database.connection() as run:
            rows = await run.fetch(
                f"SELECT {_COLUMNS} FROM lessons "  # noqa: S608 - names of our own
                "WHERE platform_uid = $1 AND ($2 OR forgotten_at IS NULL) "
                "ORDER BY created_at DESC, id LIMIT $3",
                *(platform_uid, forgotten, _LISTED),
            )
        return [_lesson(row) for row in rows]


def _lesson(row: asyncpg.Record | None) -> Lesson:
    fields: dict[str, Any] = dict(row or {})
    plan = fields.pop("plan")
    return Lesson(lesson=str(fields.pop("id")), plan=json.loads(plan) if plan is not None else None, **fields)
