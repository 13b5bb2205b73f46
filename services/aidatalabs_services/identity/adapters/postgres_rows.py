"""Users as rows of PostgreSQL."""

from __future__ import annotations

import asyncpg

from aidatalabs_services.identity.users import User
from aidatalabs_services.runtime.caller import Role

COLUMNS = "id, email, mesh_role, subscription_tier, created_at"


def user_of(row: asyncpg.Record) -> User:
    """The user in a row of `COLUMNS`."""
    return User(
        id=row["id"],
        email=row["email"],
        mesh_role=Role[row["mesh_role"].upper()],
        subscription_tier=row["subscription_tier"] or "",
        create_time=row["created_at"],
    )
