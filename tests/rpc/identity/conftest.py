from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.rpc.identity.world import IdentityWorld


@pytest_asyncio.fixture
async def world(postgres_url: str, tmp_path: Path) -> AsyncIterator[IdentityWorld]:
    async with IdentityWorld(postgres_url, tmp_path).running() as world:
        yield world
