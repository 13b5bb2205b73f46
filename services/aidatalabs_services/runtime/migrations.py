"""Brings a service's schema up to date: plain SQL files, in order, each exactly once.

The files are `NNNN_name.sql` in the service's `migrations` package. What was applied stands in
`<schema>.schema_migrations` with a checksum: a file that was edited after it ran, or that this code does not
know, stops the start with a clear error instead of leaving two histories of one schema.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import re
from dataclasses import dataclass

import asyncpg

from aidatalabs_services.runtime.postgres import database_errors, quoted_schema

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LOCK_SECONDS = 120.0


class MigrationRefused(Exception):
    """The schema cannot be brought up to date; the text says which file is concerned and what to do."""


@dataclass(frozen=True)
class Migration:
    """One file: its number, its name without ending, its SQL and the SHA-256 of the SQL."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Hexadecimal SHA-256 of the text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(package: str) -> list[Migration]:
    """The SQL files of a package in order. Raises MigrationRefused for a gap or a wrong name."""
    found = []
    for entry in importlib.resources.files(package).iterdir():
        if not entry.name.endswith(".sql"):
            continue
        match = _FILE.fullmatch(entry.name)
        if match is None:
            raise MigrationRefused(f"{entry.name} in {package}: a migration is called NNNN_name.sql")
        found.append(Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationRefused(f"The migrations of {package} are not numbered 0001, 0002, … without a gap")
    return found


async def migrate(url: str, schema: str, package: str) -> list[str]:
    """Applies what is missing and returns the names applied, oldest first.

    Each file runs in a transaction of its own together with its record; processes that start at the same
    time wait for one another. Raises MigrationRefused, or ServiceUnavailable without a server.
    """
    migrations = read_migrations(package)
    with database_errors():
        connection = await asyncpg.connect(url, timeout=10.0, command_timeout=600.0)
        try:
            await connection.execute(f"SET lock_timeout = '{int(_LOCK_SECONDS)}s'")
            await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", f"migrate {schema}")
            return await _apply(connection, schema, migrations)
        finally:
            await connection.close()  # releases the lock


async def _apply(
    connection: asyncpg.Connection[asyncpg.Record], schema: str, migrations: list[Migration]
) -> list[str]:
    name = quoted_schema(schema)
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name}")
    await connection.execute(f"SET search_path = {name}")
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (number int PRIMARY KEY, name text NOT NULL, "
        "checksum text NOT NULL, applied_time timestamptz NOT NULL DEFAULT now())"
    )
    rows = await connection.fetch("SELECT number, name, checksum FROM schema_migrations ORDER BY number")
    _check_history(schema, migrations, rows)
    applied = []
    for migration in migrations[len(rows) :]:
        await _apply_one(connection, name, migration)
        applied.append(f"{migration.number:04}_{migration.name}")
    return applied


def _check_history(schema: str, migrations: list[Migration], rows: list[asyncpg.Record]) -> None:
    known = {migration.number: migration for migration in migrations}
    for row in rows:
        migration = known.get(row["number"])
        file = f"{row['number']:04}_{row['name']}.sql"
        if migration is None:
            raise MigrationRefused(
                f"The schema {schema} was made by a newer version: it has {file}, which is unknown here. "
                "Start the newer version."
            )
        if migration.checksum != row["checksum"]:
            raise MigrationRefused(
                f"{file} was changed after it was applied to the schema {schema}. Restore it, and put the "
                "change into a new file."
            )


async def _apply_one(
    connection: asyncpg.Connection[asyncpg.Record], schema: str, migration: Migration
) -> None:
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL search_path = {schema}")
            await connection.execute(migration.sql)
            await connection.execute(f"SET LOCAL search_path = {schema}")  # the file may have changed it
            await connection.execute(
                "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.checksum,
            )
    except asyncpg.PostgresError as error:
        if isinstance(error, asyncpg.PostgresConnectionError):
            raise
        raise MigrationRefused(
            f"{migration.number:04}_{migration.name}.sql failed and was undone: {error}"
        ) from error
