"""Wires the monitoring service."""

from __future__ import annotations

import grpc

from aidatalabs.monitoring.v1 import monitoring_service_pb2_grpc as pb_grpc
from aidatalabs_services.monitoring.servicer import MonitoringServicer
from aidatalabs_services.monitoring.settings import MonitoringSettings
from aidatalabs_services.runtime.server import Service


async def bootstrap(settings: MonitoringSettings) -> Service:
    """The monitoring service; roles are asked of the platform service."""

    def register(server: grpc.aio.Server) -> None:
        pb_grpc.add_MonitoringServiceServicer_to_server(MonitoringServicer(), server)

    return Service(
        name="monitoring",
        register=register,
        full_names=("aidatalabs.monitoring.v1.MonitoringService",),
    )
