"""How the fake server refuses: the same status and details that the mesh sends."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import grpc
from google.rpc import error_details_pb2, status_pb2


@dataclass
class Failure(Exception):
    """A refusal to send: gRPC code by name, reason, words; `method` is the RPC's name, empty: any.

    `times` is how many calls are refused so.
    """

    code: str
    reason: str
    message: str = "The fake server was told to refuse this call."
    metadata: dict[str, str] = field(default_factory=dict)
    violations: list[tuple[str, str]] = field(default_factory=list)
    retry_after_seconds: float | None = None
    method: str = ""
    times: int = 1

    @property
    def status(self) -> grpc.StatusCode:
        """The gRPC code."""
        return grpc.StatusCode[self.code]

    def packed(self) -> bytes:
        """A google.rpc.Status with the details, as the trailer carries it."""
        made = status_pb2.Status(code=int(self.status.value[0]), message=self.message)
        if self.reason:
            facts = self.metadata | {"request_id": str(uuid.uuid4())}
            info = error_details_pb2.ErrorInfo(reason=self.reason, domain="aidatalabs", metadata=facts)
            made.details.add().Pack(info)
        if self.violations:
            request = error_details_pb2.BadRequest()
            for name, what in self.violations:
                request.field_violations.add(field=name, description=what)
            made.details.add().Pack(request)
        if self.retry_after_seconds is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromNanoseconds(int(self.retry_after_seconds * 1e9))
            made.details.add().Pack(retry)
        packed: bytes = made.SerializeToString()
        return packed


def not_found(reason: str, message: str, **metadata: str) -> Failure:
    """Something named in the request is not there."""
    return Failure("NOT_FOUND", reason, message, metadata)


def taken(reason: str, message: str, **metadata: str) -> Failure:
    """Something of that name or id is there, and is another."""
    return Failure("ALREADY_EXISTS", reason, message, metadata)


def invalid(reason: str, message: str, **metadata: str) -> Failure:
    """The request cannot be answered as it is."""
    return Failure("INVALID_ARGUMENT", reason, message, metadata)
