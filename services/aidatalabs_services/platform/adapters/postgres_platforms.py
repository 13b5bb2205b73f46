"""Platforms, members, request ids and the audit log in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from aidatalabs_services.platform.adapters.postgres_changes import PostgresChanges
from aidatalabs_services.platform.adapters.postgres_pages import page_query
from aidatalabs_services.platform.adapters.postgres_rows import COLUMNS, platform_of, user_uuid
from aidatalabs_services.platform.deletion import METHOD as DELETION
from aidatalabs_services.platform.listings import After, Listing
from aidatalabs_services.platform.members import ALL_USERS, Member
from aidatalabs_services.platform.platforms import Platform, State
from aidatalabs_services.platform.ports import Membership
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.postgres import Database


class PostgresPlatformStore:
    """PlatformStore in this service's own schema."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresChanges]:
        """Commits at the end of the block, undoes all of it on an exception."""
        async with self._database.transaction() as connection:
            yield PostgresChanges(connection)

    async def fail_attempt(self, uid: UUID, attempt: UUID) -> None:
        """Ends this attempt badly, unless another took over meanwhile. A deletion stays one."""
        async with self._database.connection() as run:
            await run.execute(
                "UPDATE platforms SET attempt = NULL, attempt_by = NULL, attempt_until = NULL, "
                "status = CASE status WHEN 'provisioning' THEN 'failed' ELSE status END "
                "WHERE id = $1 AND attempt = $2",
                uid,
                attempt,
            )

    async def get(self, uid: UUID) -> Platform | None:
        """One platform."""
        async with self._database.connection() as run:
            row = await run.fetchrow(f"SELECT {COLUMNS} FROM platforms WHERE id = $1", uid)  # noqa: S608
        return platform_of(row) if row is not None else None

    async def page(
        self, user: str | None, listing: Listing, after: After | None, size: int
    ) -> list[Platform]:
        """At most `size` platforms of the list after that place."""
        statement, values = page_query(user, listing, after, size)
        async with self._database.connection() as run:
            rows = await run.fetch(statement, *values)
        return [platform_of(row) for row in rows]

    async def unnoted(self, user: str | None, size: int) -> list[Platform]:
        """The oldest ones first; none that somebody is working on."""
        async with self._database.connection() as run:
            rows = await run.fetch(
                f"SELECT {COLUMNS} FROM platforms WHERE status = 'deleted' AND NOT purge_noted "  # noqa: S608
                "AND ($1::uuid IS NULL OR user_id = $1) "
                "AND coalesce(attempt_until < clock_timestamp(), true) ORDER BY deleted_at LIMIT $2",
                user_uuid(user) if user is not None else None,
                size,
            )
        return [platform_of(row) for row in rows]

    async def purge_due(self) -> list[Platform]:
        """Their data goes at the data service, which knows the moment; the audit log keeps a line each."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                "DELETE FROM platforms WHERE status = 'deleted' AND purge_noted "  # noqa: S608
                "AND purge_at < clock_timestamp() "
                f"AND coalesce(attempt_until < clock_timestamp(), true) RETURNING {COLUMNS}"
            )
            gone = [platform_of(row) for row in rows]
            for platform in gone:
                await connection.execute(
                    "INSERT INTO released_ids (platform_id, released_at) VALUES ($1, clock_timestamp()) "
                    "ON CONFLICT (platform_id) DO UPDATE SET released_at = EXCLUDED.released_at",
                    platform.id,
                )
                await connection.execute(
                    "INSERT INTO audit_logs (platform_id, actor, request_id, action, details) "
                    "VALUES ($1, 'platform', '', 'PurgePlatform', $2::jsonb)",
                    platform.uid,
                    json.dumps({"platform": platform.name}),
                )
        return gone

    async def deleted_by(self, user: str, platform_id: str) -> UUID | None:
        """The newest one, where there were several."""
        async with self._database.connection() as run:
            found: UUID | None = await run.fetchval(
                "SELECT platform_id FROM requests WHERE user_id = $1 AND method = $2 AND platform_name = $3 "
                "AND created_at > now() - interval '24 hours' ORDER BY created_at DESC LIMIT 1",
                user_uuid(user),
                DELETION,
                platform_id,
            )
        return found

    async def membership(self, platform_id: str, user: str) -> Membership | None:
        """The user's role: the higher of the user's own and that of all users."""
        async with self._database.connection() as run:
            row = await run.fetchrow(
                "SELECT p.id, p.status, array_agg(m.role) FILTER (WHERE m.role IS NOT NULL) AS roles, "
                "coalesce(p.attempt_until > clock_timestamp(), false) "
                "AND 'users/' || coalesce(p.attempt_by, p.user_id)::text = $2 AS works FROM platforms p "
                "LEFT JOIN platform_members m ON m.platform_id = p.id AND m.member IN ($2, $3) "
                "WHERE p.platform_id = $1 GROUP BY p.id",
                platform_id,
                user,
                ALL_USERS,
            )
        if row is None:
            return None
        role = max((Role[role.upper()] for role in row["roles"] or ()), default=Role.NONE)
        return Membership(row["id"], role, State(row["status"]), bool(row["works"]))

    async def members(self, uid: UUID) -> list[Member]:
        """Everybody with a role: the owner first, then in order of their names."""
        async with self._database.connection() as run:
            rows = await run.fetch(
                "SELECT m.member, m.role FROM platform_members m JOIN platforms p ON p.id = m.platform_id "
                "WHERE p.id = $1 ORDER BY m.member <> 'users/' || p.user_id::text, m.member",
                uid,
            )
        return [Member(row["member"], Role[row["role"].upper()]) for row in rows]
