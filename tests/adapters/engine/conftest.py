"""One real engine process for the tests of this folder, and a client of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from aidatalabs_services.data.engine.process import EngineProcess
from tests.adapters.engine.running import LIMITS, Loop, sync_client


@pytest.fixture(scope="package")
def loop_thread() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(scope="package")
def engine(loop_thread: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    process = loop_thread.run(EngineProcess.start(tmp_path_factory.mktemp("engine"), LIMITS))
    yield process
    loop_thread.run(process.stop())


@pytest.fixture(scope="package")
def new_engine(loop_thread: Loop) -> Callable[[Path], EngineProcess]:
    """Starts a further engine; the test stops it."""
    return lambda directory: loop_thread.run(EngineProcess.start(directory, LIMITS))


@pytest.fixture
def client(engine: EngineProcess) -> Iterator[Client]:
    made = sync_client(engine.address)
    yield made
    made.close()
