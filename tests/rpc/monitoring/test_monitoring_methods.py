from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from aidatalabs.monitoring.v1 import monitoring_service_pb2 as pb
from aidatalabs.monitoring.v1 import monitoring_service_pb2_grpc as pb_grpc
from aidatalabs_services.monitoring.bootstrap import bootstrap
from aidatalabs_services.monitoring.settings import MonitoringSettings
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.testing import ALICE, BOB, StaticRoles, TokenMint, running

SETTINGS = MonitoringSettings(
    listen_address="127.0.0.1:0", jwks_url="http://127.0.0.1:9", platform_address="127.0.0.1:9"
)
ROLES = StaticRoles({ALICE: Role.ADMIN}, {("platforms/demo", BOB): Role.VIEWER})
METHODS: list[tuple[str, Any]] = [
    ("ListMetrics", pb.ListMetricsRequest),
    ("ListAlerts", pb.ListAlertsRequest),
    ("ListLogs", pb.ListLogsRequest),
]


@pytest.mark.parametrize(("method", "request_type"), METHODS)
@pytest.mark.parametrize(
    ("user", "platform", "code", "reason"),
    [
        (ALICE, "", "UNIMPLEMENTED", "NOT_BUILT_YET"),
        (BOB, "platforms/demo", "UNIMPLEMENTED", "NOT_BUILT_YET"),
        (BOB, "", "PERMISSION_DENIED", "PERMISSION_DENIED"),  # AUTHZ-011: the mesh's own, for admins only
        (BOB, "platforms/other", "NOT_FOUND", "PLATFORM_NOT_FOUND"),
        (BOB, "demo", "INVALID_ARGUMENT", "INVALID_REQUEST"),
        (None, "", "UNAUTHENTICATED", "TOKEN_MISSING"),
    ],
)
async def test_each_method_refuses_with_its_reason_after_the_access_check(
    method: str, request_type: Any, user: str | None, platform: str, code: str, reason: str
) -> None:
    mint = TokenMint()
    async with running(await bootstrap(SETTINGS), mint=mint, roles=ROLES, settings=SETTINGS) as channel:
        call = getattr(pb_grpc.MonitoringServiceStub(channel), method)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(request_type(platform=platform), metadata=mint.metadata(user) if user else ())
    packed = dict(refused.value.trailing_metadata() or ())["grpc-status-details-bin"]
    info = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(packed).details[0].Unpack(info)
    assert (refused.value.code().name, info.reason) == (code, reason)
    if reason == "NOT_BUILT_YET":
        assert info.metadata["method"] == f"/aidatalabs.monitoring.v1.MonitoringService/{method}"
