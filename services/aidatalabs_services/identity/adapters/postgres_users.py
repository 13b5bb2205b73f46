"""Users in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg

from aidatalabs_services.identity.users import User
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.postgres import Database

_COLUMNS = "id, email, mesh_role, subscription_tier, created_at"


class PostgresUserStore:
    """UserStore in this service's own schema."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: UUID) -> User | None:
        """The user, or None where there is none (any more)."""
        async with self._database.connection() as run:
            row = await run.fetchrow(f"SELECT {_COLUMNS} FROM users WHERE id = $1", user_id)  # noqa: S608
        return _user(row) if row is not None else None

    async def put(self, email: str, role: Role | None) -> User:
        """One statement, so that two at once make one user."""
        async with self._database.connection() as run:
            row = await run.fetchrow(
                "INSERT INTO users (email, mesh_role) VALUES ($1, COALESCE($2, 'viewer')) "  # noqa: S608
                "ON CONFLICT (email) DO UPDATE SET mesh_role = COALESCE($2, users.mesh_role) "
                f"RETURNING {_COLUMNS}",
                email,
                role.name.lower() if role is not None else None,
            )
        if row is None:
            raise LookupError("an upsert returned no row")
        return _user(row)

    async def page(self, after: tuple[datetime, UUID] | None, size: int) -> list[User]:
        """At most `size` users created after that moment and id, oldest first."""
        moment, user_id = after or (None, None)
        async with self._database.connection() as run:
            rows = await run.fetch(
                f"SELECT {_COLUMNS} FROM users "  # noqa: S608
                "WHERE $1::timestamptz IS NULL OR (created_at, id) > ($1, $2) "
                "ORDER BY created_at, id LIMIT $3",
                moment,
                user_id,
                size,
            )
        return [_user(row) for row in rows]


def _user(row: asyncpg.Record) -> User:
    return User(
        id=row["id"],
        email=row["email"],
        mesh_role=Role[row["mesh_role"].upper()],
        subscription_tier=row["subscription_tier"] or "",
        create_time=row["created_at"],
    )
