"""What a refused gRPC call told its client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


async def refused(
    port: int, method: str, metadata: Sequence[tuple[str, str]] = (), body: bytes = b""
) -> tuple[status_pb2.Status, error_details_pb2.ErrorInfo]:
    """Calls a method that must be refused; the status with its details and the ErrorInfo of it."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        send: Any = channel.unary_unary(method)
        call = send(body, metadata=list(metadata), timeout=10)
        with pytest.raises(grpc.aio.AioRpcError):
            await call
        status = await rpc_status.aio.from_call(call)
    assert status is not None, "it has no details"
    return status, info_of(status)


def info_of(status: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    """The ErrorInfo of a status; fails where there is none."""
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details), status
    return info
