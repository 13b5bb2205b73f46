"""Builds the agent service: adapters, agents and servicer, wired; tests pass stand-ins as arguments."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import grpc

from aidatalabs.agent.v1 import agent_service_pb2_grpc as pb_grpc
from aidatalabs_services.agent.adapters.configured_models import configured_models
from aidatalabs_services.agent.adapters.data_client import READS, DataClient
from aidatalabs_services.agent.adapters.measured_agents import MeasuredOrchestrator
from aidatalabs_services.agent.adapters.picture_processes import PictureProcesses
from aidatalabs_services.agent.adapters.postgres_conversations import PostgresConversations
from aidatalabs_services.agent.adapters.postgres_definitions import PostgresDefinitions
from aidatalabs_services.agent.adapters.postgres_lessons import PostgresLessons
from aidatalabs_services.agent.adapters.postgres_purges import PostgresPurges
from aidatalabs_services.agent.adapters.postgres_seals import seal_key
from aidatalabs_services.agent.catalogue_servicer import CatalogueRequests
from aidatalabs_services.agent.catalogues import Catalogues
from aidatalabs_services.agent.conversations import Conversations
from aidatalabs_services.agent.definition_versions import DefinitionVersions
from aidatalabs_services.agent.lessons import Lessons
from aidatalabs_services.agent.ports import MeasuringData
from aidatalabs_services.agent.purges import Purges
from aidatalabs_services.agent.query_agent import QueryAgent
from aidatalabs_services.agent.seals import Seals
from aidatalabs_services.agent.servicer import AgentServicer
from aidatalabs_services.agent.settings import AgentSettings
from aidatalabs_services.agent.tuning.tuner import Tuner
from aidatalabs_services.agent.verification import Verifier
from aidatalabs_services.runtime.channels import open_channel
from aidatalabs_services.runtime.metrics import Metrics
from aidatalabs_services.runtime.migrations import migrate
from aidatalabs_services.runtime.postgres import Database, open_database
from aidatalabs_services.runtime.server import Service

SCHEMA = "agent"
MIGRATIONS = "aidatalabs_services.agent.migrations"
FULL_NAMES = ("aidatalabs.agent.v1.AgentService",)


def utc_now() -> datetime:
    """The clock that questions are read with."""
    return datetime.now(UTC)


def bootstrap(
    settings: AgentSettings,
    *,
    data: MeasuringData | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Service:
    """The agent service, ready to be run; call it inside the loop that will run it."""
    channel: grpc.aio.Channel | None = None
    if data is None:
        channel = open_channel(settings.data_address, service="data", tls=settings.tls, idempotent=READS)
        data = DataClient(channel)
    metrics = Metrics()
    models = configured_models(settings, utc_now)
    seals = Seals()
    kept = Storage(settings, seals, metrics)
    definitions = DefinitionVersions(kept.definitions)
    catalogues = Catalogues(data, definitions, most_bytes=settings.catalogue_memory_mib * 1024 * 1024)
    verifier = Verifier(data, catalogues, clock=clock)
    conversations = Conversations(kept.conversations, most_turns=settings.conversation_turns)
    lessons = Lessons(kept.lessons, conversations, data, clock=clock, most=settings.lessons)
    query_agent = QueryAgent(data, clock=clock, models=models, catalogues=catalogues, lessons=lessons)
    orchestrator = MeasuredOrchestrator(query_agent, verifier, conversations, lessons, metrics)
    servicer = AgentServicer(
        orchestrator,
        PictureProcesses(),
        Tuner(data, catalogues),
        seals,
        Purges(kept.purges),
        CatalogueRequests(catalogues, definitions),
    )

    async def close() -> None:
        await kept.close()
        await models.close()
        if channel is not None:
            await channel.close()

    return Service(
        name="agent",
        register=lambda server: pb_grpc.add_AgentServiceServicer_to_server(servicer, server),
        full_names=FULL_NAMES,
        start=kept.start,
        close=close,
        metrics=metrics,
    )


class Storage:
    """What the service keeps in PostgreSQL; nothing where no server is configured."""

    def __init__(self, settings: AgentSettings, seals: Seals, metrics: Metrics) -> None:
        self._settings = settings
        self._seals = seals
        self._metrics = metrics
        self._database: Database | None = None
        self.conversations: PostgresConversations | None = None
        self.lessons: PostgresLessons | None = None
        self.purges: PostgresPurges | None = None
        self.definitions: PostgresDefinitions | None = None
        if settings.postgres_url:
            days = settings.conversation_retention_days
            self.conversations = PostgresConversations(retention_days=days)
            self.lessons = PostgresLessons(self.conversations)
            self.purges = PostgresPurges()
            self.definitions = PostgresDefinitions(self.conversations)

    async def start(self) -> None:
        """Brings the schema up to date and opens the pool."""
        url = self._settings.postgres_url
        if not url:
            return
        await migrate(url, SCHEMA, MIGRATIONS)
        connections = self._settings.postgres_connections
        self._database = await open_database(url, SCHEMA, most_connections=connections)
        self._database.measure(self._metrics)
        self._seals.use(await seal_key(self._database))
        if self.conversations is not None:
            self.conversations.open(self._database)
        if self.purges is not None:
            self.purges.open(self._database)

    async def close(self) -> None:
        """Closes the pool."""
        for opened in (self.conversations, self.purges):
            if opened is not None:
                await opened.close()
        if self._database is not None:
            await self._database.close()
