"""Calls about how the mesh, or one platform of it, is doing."""
# ruff: noqa: A002 - `filter` is the contract's word

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Awaitable

from google.protobuf.timestamp_pb2 import Timestamp

from aidatalabs.monitoring.v1 import monitoring_service_pb2 as pb
from aidatalabs_client.connection import Connection
from aidatalabs_client.row_messages import timestamp_message

Moment = datetime.datetime | None
"""A moment, UTC where it names no zone; None: no bound."""


class MonitoringCalls(Connection):
    """Metrics, alerts and logs: of a platform for its members, of the mesh (no platform) for its admins."""

    async def metrics(
        self,
        platform: str = "",
        *,
        filter: str = "",
        start_time: Moment = None,
        end_time: Moment = None,
        page_size: int = 1000,
    ) -> AsyncIterator[pb.MetricSeries]:
        """Yields series of measurements between two moments, page by page."""

        def page_of(page_token: str) -> Awaitable[pb.ListMetricsResponse]:
            request = pb.ListMetricsRequest(
                platform=platform,
                filter=filter,
                start_time=_bound(start_time),
                end_time=_bound(end_time),
                page_size=page_size,
                page_token=page_token,
            )
            return self._call(self._monitoring.ListMetrics, request)

        async for page in self._pages(page_of):
            for series in page.series:
                yield series

    async def alerts(
        self,
        platform: str = "",
        *,
        filter: str = "",
        start_time: Moment = None,
        end_time: Moment = None,
        page_size: int = 1000,
    ) -> AsyncIterator[pb.Alert]:
        """Yields alerts between two moments, page by page."""

        def page_of(page_token: str) -> Awaitable[pb.ListAlertsResponse]:
            request = pb.ListAlertsRequest(
                platform=platform,
                filter=filter,
                start_time=_bound(start_time),
                end_time=_bound(end_time),
                page_size=page_size,
                page_token=page_token,
            )
            return self._call(self._monitoring.ListAlerts, request)

        async for page in self._pages(page_of):
            for alert in page.alerts:
                yield alert

    async def logs(
        self,
        platform: str = "",
        *,
        filter: str = "",
        start_time: Moment = None,
        end_time: Moment = None,
        page_size: int = 1000,
    ) -> AsyncIterator[pb.LogEntry]:
        """Yields log entries between two moments, page by page."""

        def page_of(page_token: str) -> Awaitable[pb.ListLogsResponse]:
            request = pb.ListLogsRequest(
                platform=platform,
                filter=filter,
                start_time=_bound(start_time),
                end_time=_bound(end_time),
                page_size=page_size,
                page_token=page_token,
            )
            return self._call(self._monitoring.ListLogs, request)

        async for page in self._pages(page_of):
            for entry in page.entries:
                yield entry


def _bound(moment: Moment) -> Timestamp | None:
    return None if moment is None else timestamp_message(moment)
