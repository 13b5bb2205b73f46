"""The data service that the tests of models share: they read it and change nothing there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from aidatalabs_services.runtime.server import RunningServer
from aidatalabs_services.runtime.testing import TokenMint
from tests.rpc.agent.models_world import filled_data


@dataclass(frozen=True)
class FilledData:
    """The running service and who signs the tokens it trusts."""

    server: RunningServer
    mint: TokenMint


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def filled(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FilledData]:
    """The shop and somebody else's platform, of `models_world`."""
    mint = TokenMint()
    async with filled_data(tmp_path_factory.mktemp("data"), mint) as server:
        yield FilledData(server, mint)
