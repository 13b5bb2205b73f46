"""MonitoringService: in the contract and guarded by the access check, its answers not built yet."""

from __future__ import annotations

from typing import Any

import grpc

from aidatalabs.monitoring.v1 import monitoring_service_pb2 as pb
from aidatalabs.monitoring.v1 import monitoring_service_pb2_grpc as pb_grpc
from aidatalabs_services.runtime.caller import current_call
from aidatalabs_services.runtime.errors import not_built_yet

Context = grpc.aio.ServicerContext[Any, Any]


class MonitoringServicer(pb_grpc.MonitoringServiceServicer):
    """Refuses with NOT_BUILT_YET whom the gate lets through."""

    async def ListMetrics(self, request: pb.ListMetricsRequest, context: Context) -> pb.ListMetricsResponse:
        """Not built yet."""
        raise not_built_yet(current_call().method)

    async def ListAlerts(self, request: pb.ListAlertsRequest, context: Context) -> pb.ListAlertsResponse:
        """Not built yet."""
        raise not_built_yet(current_call().method)

    async def ListLogs(self, request: pb.ListLogsRequest, context: Context) -> pb.ListLogsResponse:
        """Not built yet."""
        raise not_built_yet(current_call().method)
