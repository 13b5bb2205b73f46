"""One real engine process for the tests of this folder, and tables that are gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aidatalabs_services.data.engine.process import EngineProcess
from tests.adapters.engine.running import LIMITS, Loop, sync_client
from tests.adapters.native.tables import Tables


@pytest.fixture(scope="package")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    loop = Loop()
    engine = loop.run(EngineProcess.start(tmp_path_factory.mktemp("native"), LIMITS))
    client = sync_client(engine.address)
    yield Tables(client)
    client.close()
    loop.run(engine.stop())
    loop.close()
