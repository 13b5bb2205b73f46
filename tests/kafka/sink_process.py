"""A data process over a shared folder: sink_process.py FOLDER DIRECTORY SERVERS PREFIX; ends by a kill."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.kafka.brokers import Broker
from tests.kafka.flows import Deployment, until
from tests.kafka.shared_folder import FolderWarehouse


async def main(folder: Path, directory: Path, servers: str, prefix: str) -> None:
    broker = Broker(directory)
    broker.port = int(servers.rpartition(":")[2])
    broker.session_seconds = 1.5
    deployment = Deployment(broker, directory.parent, prefix=prefix)
    deployment.warehouse = FolderWarehouse(folder)  # type: ignore[assignment]
    async with deployment.running(directory.name):
        print("ready", flush=True)  # noqa: T201
        await until(lambda: False, 120)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
