"""Worlds whose data service ingests through an Apache Kafka of their own, which is killed like the rest.

    client ─► (edge ─►) data ─► broker ─► the sink in data ─► engine

What is acknowledged lies in the broker alone. The broker is started again whenever it ends, on the same data.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from aidatalabs_services.data.engine.process import EngineProcess
from aidatalabs_services.mesh.pids import ProcessIdentity
from tests.durability.worlds import PLATFORM, SETTINGS, Alone, Behind
from tests.kafka.brokers import ApacheKafka, Broker

PREFIX = "drill"
PARTITIONS = 12
_DATABASE_PREFIX = "drill_"
_START_SECONDS = 180.0
_SETTLE_SECONDS = 240.0
_LOOK_SECONDS = 0.1


class KeptBroker:
    """A broker that is started again whenever it ends."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when it takes connections."""
        self.broker.directory.mkdir(parents=True)
        await asyncio.to_thread(self.broker.prepare)
        self._keeper = asyncio.create_task(self._keep())
        async with asyncio.timeout(_START_SECONDS):
            while not await asyncio.to_thread(self.broker.answers):
                await asyncio.sleep(_LOOK_SECONDS)

    async def _keep(self) -> None:
        while True:
            with (self.broker.directory / "log").open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self.broker.words(), cwd=self.broker.directory, stdout=log, stderr=log
                )
            await self._process.wait()

    def find(self) -> ProcessIdentity | None:
        """The process that runs now."""
        running = self._process is not None and self._process.returncode is None
        return ProcessIdentity.of(self._process.pid) if running and self._process is not None else None

    def settings(self) -> Mapping[str, str]:
        """What a data service is told of it."""
        own = {
            "BOOTSTRAP_SERVERS": self.broker.servers,
            "PREFIX": PREFIX,
            "PARTITION_COUNT": PARTITIONS,
            "REPLICATION_COUNT": 1,
            "SESSION_SECONDS": self.broker.session_seconds,
        }
        return {f"AIDATALABS_DATA_KAFKA_{name}": str(value) for name, value in own.items()}

    async def settled(self) -> tuple[str, ...]:
        """Returns when the sink has passed all that is in the topics; names those of dead letters."""
        async with asyncio.timeout(_SETTLE_SECONDS):
            while True:
                try:
                    behind, dead = await self._behind()
                except (KafkaError, OSError):
                    behind, dead = 1, ()  # the last kill was the broker's
                if not behind:
                    return dead
                await asyncio.sleep(_LOOK_SECONDS)

    async def _behind(self) -> tuple[int, tuple[str, ...]]:
        """Offsets that the sink has not passed, and topics of messages that could not be stored."""
        servers = self.broker.servers
        looker = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
        admin = AIOKafkaAdminClient(bootstrap_servers=servers)
        try:
            await looker.start()
            await admin.start()
            topics = {topic for topic in await admin.list_topics() if topic.startswith(f"{PREFIX}.")}
            dead = tuple(sorted(topic for topic in topics if topic.endswith(".dead")))
            lanes = [
                TopicPartition(topic, partition)
                for topic in topics - {*dead, f"{PREFIX}.receipts"}
                for partition in range(PARTITIONS)
            ]
            ends = await looker.end_offsets(lanes)
            stored = await admin.list_consumer_group_offsets(f"{PREFIX}.sink")
            behind = [
                end - max(0, stored[lane].offset if lane in stored else 0) for lane, end in ends.items()
            ]
            return sum(behind), dead
        finally:
            await looker.stop()
            await admin.close()

    async def stop(self) -> None:
        """Ends it for good."""
        if self._keeper is None:
            return
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        self._keeper = None
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


class Brokered:
    """A world of another kind with a broker beside it."""

    def __init__(
        self,
        kind: type[Alone] | type[Behind],
        folder: Path,
        twin: str,
        settings: Mapping[str, str] = SETTINGS,
    ) -> None:
        self.targets = (*kind.targets, "broker")
        self._broker = KeptBroker(ApacheKafka(folder / "broker"))
        self._world = kind(folder, twin, {**settings, **self._broker.settings()})
        self.address = self._world.address
        self.data_directory = self._world.data_directory
        self.database = self._world.database

    @property
    def token(self) -> str:
        """What the clients show."""
        return self._world.token

    async def start(self) -> None:
        """Starts the broker, then the world."""
        await self._broker.start()
        await self._world.start()

    def find(self, name: str) -> ProcessIdentity | None:
        """See World."""
        return self._broker.find() if name == "broker" else self._world.find(name)

    async def settled(self) -> tuple[str, ...]:
        """See World."""
        return await self._broker.settled()

    async def stop(self) -> None:
        """See World."""
        await self._world.stop()
        await self._broker.stop()


class Pair:
    """Two data services that share the sink's work over one ClickHouse; clients call the first."""

    targets = ("first", "second", "broker")

    def __init__(self, folder: Path, twin: str, settings: Mapping[str, str] = SETTINGS) -> None:
        self._folder, self._twin, self._settings = folder, twin, settings
        self._broker = KeptBroker(ApacheKafka(folder / "broker"))
        self._engine: EngineProcess | None = None
        self._services: dict[str, Alone] = {}
        self.data_directory = folder
        self.address = self.token = ""
        self.database = _DATABASE_PREFIX + uuid.uuid5(uuid.NAMESPACE_URL, PLATFORM).hex

    async def start(self) -> None:
        """Starts engine and broker, then the services one after the other."""
        (self._folder / "engines").mkdir()
        self._engine = engine = await EngineProcess.start(self._folder / "engines" / "shared")
        await self._broker.start()
        cluster = {
            "HOST": engine.host,
            "PORT": engine.port,
            "USER": "default",
            "PASSWORD": engine.password,
            "TLS": "false",
            "DATABASE_PREFIX": _DATABASE_PREFIX,
        }
        given = {f"AIDATALABS_DATA_CLICKHOUSE_{name}": str(value) for name, value in cluster.items()}
        for name in ("first", "second"):
            folder = self._folder / name
            folder.mkdir()
            service = Alone(folder, self._twin, {**self._settings, **self._broker.settings(), **given})
            self._services[name] = service
            await service.start()
        self.address, self.token = self._services["first"].address, self._services["first"].token

    def find(self, name: str) -> ProcessIdentity | None:
        """See World."""
        return self._broker.find() if name == "broker" else self._services[name].find("data")

    async def settled(self) -> tuple[str, ...]:
        """See World."""
        return await self._broker.settled()

    async def stop(self) -> None:
        """See World."""
        for service in self._services.values():
            await service.stop()
        await self._broker.stop()
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.stop()


def brokered(kind: type[Alone] | type[Behind]) -> partial[Brokered]:
    """Worlds of this kind with a broker, for a `Place`."""
    return partial(Brokered, kind)
