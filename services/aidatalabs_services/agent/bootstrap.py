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
from aidatalabs_services.agent.ports import MeasuringData
from aidatalabs_services.agent.query_agent import QueryAgent
from aidatalabs_services.agent.servicer import AgentServicer
from aidatalabs_services.agent.settings import AgentSettings
from aidatalabs_services.agent.tuning.tuner import Tuner
from aidatalabs_services.runtime.channels import open_channel
from aidatalabs_services.runtime.metrics import Metrics
from aidatalabs_services.runtime.server import Service

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
    orchestrator = MeasuredOrchestrator(QueryAgent(data, clock=clock, models=models), metrics)
    servicer = AgentServicer(orchestrator, PictureProcesses(), Tuner(data))

    async def close() -> None:
        await models.close()
        if channel is not None:
            await channel.close()

    return Service(
        name="agent",
        register=lambda server: pb_grpc.add_AgentServiceServicer_to_server(servicer, server),
        full_names=FULL_NAMES,
        close=close,
        metrics=metrics,
    )
