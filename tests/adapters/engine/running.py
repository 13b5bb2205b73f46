"""What the tests of this folder share: limits, a loop in a thread, the ordinary client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from aidatalabs_services.data.engine.limits import MIB, EngineLimits
from aidatalabs_services.data.engine.process import EngineAddress

T = TypeVar("T")

LIMITS = EngineLimits(
    max_execution_seconds=20,
    max_query_memory_bytes=400 * MIB,
    max_server_memory_bytes=1500 * MIB,
    max_result_bytes=200 * MIB,
    head_seconds=2,
    max_body_bytes=64 * MIB,
    stop_seconds=2,
)


class Loop:
    """An event loop in a thread: engines outlive the loop of one test."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()


def sync_client(address: EngineAddress, **options: Any) -> Client:
    """An ordinary sync client; keyword arguments as clickhouse_connect.get_client takes them."""
    defaults: dict[str, Any] = {"compress": False, "autogenerate_session_id": False, "database": "analytics"}
    return clickhouse_connect.get_client(
        host=address.host, port=address.port, password=address.password, **{**defaults, **options}
    )
