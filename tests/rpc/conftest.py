"""One real PostgreSQL server for every service under test that keeps something there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from aidatalabs_services.runtime.testing import running_postgres


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_server() -> AsyncIterator[str]:
    async with running_postgres() as url:
        yield url


@pytest_asyncio.fixture
async def postgres_url(postgres_server: str) -> str:
    """The server without anything an earlier test left."""
    connection = await asyncpg.connect(postgres_server)
    try:
        await connection.execute("DROP SCHEMA IF EXISTS identity, platform, agent CASCADE")
    finally:
        await connection.close()
    return postgres_server
