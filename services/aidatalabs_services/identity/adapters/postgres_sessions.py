"""Browser sessions and link codes in PostgreSQL, whose clock decides what is over."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from aidatalabs_services.identity.adapters.postgres_rows import COLUMNS, user_of
from aidatalabs_services.identity.sessions import SessionLimits
from aidatalabs_services.identity.users import User
from aidatalabs_services.runtime.postgres import Connection, Database

_SEEN_EVERY = timedelta(minutes=1)
_USER_COLUMNS = ", ".join(f"users.{name}" for name in COLUMNS.split(", "))


class PostgresSessionStore:
    """SessionStore in this service's own schema."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_link(self, code: bytes, user_id: UUID, lifetime: timedelta) -> None:
        """Keeps a code that works once within its lifetime."""
        async with self._database.connection() as run:
            await run.execute(
                "INSERT INTO link_codes (code_hash, user_id, expire_at) "
                "VALUES ($1, $2, now() + $3::interval)",
                *(code, user_id, lifetime),
            )

    async def redeem(self, code: bytes, session: bytes, earlier: bytes | None, limits: SessionLimits) -> bool:
        """One transaction: of two browsers with one code, the second waits and finds it gone."""
        async with self._database.transaction() as run:
            user_id = await run.fetchval(
                "DELETE FROM link_codes WHERE code_hash = $1 AND expire_at > now() RETURNING user_id", code
            )
            if user_id is None:
                return False
            await _remove_some_that_are_over(run, limits)
            if earlier is not None:
                await run.execute("DELETE FROM sessions WHERE session_hash = $1", earlier)
            await run.execute(
                "INSERT INTO sessions (session_hash, user_id) VALUES ($1, $2)", session, user_id
            )
        return True

    async def user_of(self, session: bytes, limits: SessionLimits) -> User | None:
        """One reading, once a minute a writing; users are read anew each time, so one that is gone is out."""
        async with self._database.connection() as run:
            row = await run.fetchrow(
                f"SELECT {_USER_COLUMNS}, last_seen_at < now() - $4::interval AS unseen "  # noqa: S608
                "FROM sessions JOIN users ON users.id = sessions.user_id "
                "WHERE session_hash = $1 AND last_seen_at > now() - $2::interval "
                "AND sessions.created_at > now() - $3::interval",
                *(session, limits.idle, limits.longest, _SEEN_EVERY),
            )
            if row is not None and row["unseen"]:
                await run.execute(
                    "UPDATE sessions SET last_seen_at = now() "
                    "WHERE session_hash = $1 AND last_seen_at < now() - $2::interval",
                    *(session, _SEEN_EVERY),
                )
        return user_of(row) if row is not None else None

    async def end(self, session: bytes) -> None:
        """Removes the session, if it is there."""
        async with self._database.connection() as run:
            await run.execute("DELETE FROM sessions WHERE session_hash = $1", session)


async def _remove_some_that_are_over(run: Connection, limits: SessionLimits) -> None:
    """Keeps both tables small; bounded, so that no sign-in pays for a long absence."""
    await run.execute(
        "DELETE FROM sessions WHERE ctid IN (SELECT ctid FROM sessions "
        "WHERE last_seen_at <= now() - $1::interval OR created_at <= now() - $2::interval "
        "LIMIT 100 FOR UPDATE SKIP LOCKED)",
        *(limits.idle, limits.longest),
    )
    await run.execute(
        "DELETE FROM link_codes WHERE ctid IN (SELECT ctid FROM link_codes "
        "WHERE expire_at <= now() LIMIT 100 FOR UPDATE SKIP LOCKED)"
    )
