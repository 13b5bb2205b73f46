"""What the client may raise: one class that carries everything a service said, one for files."""

from __future__ import annotations

from dataclasses import dataclass, field

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

_DETAILS_KEY = "grpc-status-details-bin"


@dataclass
class ApiError(Exception):
    """A refusal of the service, or a failure to reach it.

    `code` is the gRPC code by name (`NOT_FOUND`) and `exit_code` its number; `reason` stands in the
    contract's catalogue (`PLATFORM_NOT_FOUND`) and is empty when no service answered. `violations` are
    (field, what is wrong). `retry_after_seconds` is set where waiting helps.
    """

    code: str
    exit_code: int
    message: str
    reason: str = ""
    request_id: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    violations: list[tuple[str, str]] = field(default_factory=list)
    retry_after_seconds: float | None = None

    def __str__(self) -> str:
        return f"{self.message} ({self.reason or self.code})"

    @classmethod
    def of(cls, error: grpc.aio.AioRpcError) -> ApiError:
        """The error that a failed call's status and details describe."""
        code = error.code()
        answer = cls(code.name, int(code.value[0]), error.details() or "The service gave no reason.")
        for key, value in error.trailing_metadata() or ():
            if key == _DETAILS_KEY and isinstance(value, bytes):
                answer._read_details(value)
        return answer

    def _read_details(self, serialized: bytes) -> None:
        try:
            status = status_pb2.Status.FromString(serialized)
        except DecodeError:
            return
        info, request, retry = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
        )
        for detail in status.details:
            if detail.Unpack(info):
                self.reason = info.reason
                self.metadata = dict(info.metadata)
                self.request_id = self.metadata.pop("request_id", "")
            elif detail.Unpack(request):
                self.violations = [(one.field, one.description) for one in request.field_violations]
            elif detail.Unpack(retry):
                self.retry_after_seconds = retry.retry_delay.ToTimedelta().total_seconds()


class FileUnreadable(Exception):
    """A file is not what its ending says, or holds a type that no table column can; the text says where."""
