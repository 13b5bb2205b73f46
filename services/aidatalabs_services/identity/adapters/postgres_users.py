"""Users in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from aidatalabs_services.identity.adapters.postgres_rows import COLUMNS, user_of
from aidatalabs_services.identity.users import User, UserQuery
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.filters import Condition, sql_conditions
from aidatalabs_services.runtime.postgres import Database

_FIELDS = {"email": "email", "role": "upper(mesh_role)", "create_time": "created_at"}
# Texts by their characters, whatever the language of the database.
_ORDERS = {"create_time": ("created_at", "timestamptz"), "email": ('email COLLATE "C"', "text")}


class PostgresUserStore:
    """UserStore in this service's own schema."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: UUID) -> User | None:
        """The user, or None where there is none (any more)."""
        async with self._database.connection() as run:
            row = await run.fetchrow(f"SELECT {COLUMNS} FROM users WHERE id = $1", user_id)  # noqa: S608
        return user_of(row) if row is not None else None

    async def put(self, email: str, role: Role | None) -> User:
        """One statement, so that two at once make one user."""
        async with self._database.connection() as run:
            row = await run.fetchrow(
                "INSERT INTO users (email, mesh_role) VALUES ($1, COALESCE($2, 'viewer')) "  # noqa: S608
                "ON CONFLICT (email) DO UPDATE SET mesh_role = COALESCE($2, users.mesh_role) "
                f"RETURNING {COLUMNS}",
                email,
                role.name.lower() if role is not None else None,
            )
        if row is None:
            raise LookupError("an upsert returned no row")
        return user_of(row)

    async def page(self, query: UserQuery, size: int) -> list[User]:
        """One statement, in which every value is bound."""
        values: list[object] = []

        def bind(value: object) -> str:
            values.append(value)
            return f"${len(values)}"

        wanted = [Condition(one.field, one.operator, one.value) for one in query.conditions]
        where = sql_conditions(wanted, _FIELDS, bind)
        column, kind = _ORDERS[query.order]
        if query.after is not None:
            key, user_id = query.after
            side = "<" if query.descending else ">"
            where.append(f"({column}, id) {side} ({bind(key)}::{kind}, {bind(user_id)}::uuid)")
        way = "DESC" if query.descending else "ASC"
        statement = (
            f"SELECT {COLUMNS} FROM users WHERE {' AND '.join(where) or 'true'} "  # noqa: S608 - own words
            f"ORDER BY {column} {way}, id {way} LIMIT {bind(size)}"
        )
        async with self._database.connection() as run:
            rows = await run.fetch(statement, *values)
        return [user_of(row) for row in rows]

    async def find(self, ids: Sequence[UUID], emails: Sequence[str]) -> list[User]:
        """One statement over two indexes."""
        statement = (
            f"SELECT {COLUMNS} FROM users WHERE id = ANY($1) OR email = ANY($2) "  # noqa: S608 - own words
            f"ORDER BY {_ORDERS['email'][0]}"
        )
        async with self._database.connection() as run:
            rows = await run.fetch(statement, list(ids), list(emails))
        return [user_of(row) for row in rows]
