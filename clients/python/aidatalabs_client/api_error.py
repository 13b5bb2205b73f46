"""The one shape every refusal has, read out of a call's status and details."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from aidatalabs_client.next_steps import NEXT_STEPS, WITHOUT_REASON

_DETAILS_KEY = "grpc-status-details-bin"
_CODES = {int(code.value[0]): code.name for code in grpc.StatusCode}


@dataclass(eq=False)
class ApiError(Exception):
    """A refusal of the service, or a failure to reach it.

    `code` is the gRPC code by name (`NOT_FOUND`) and `exit_code` its number; `reason` stands in the
    contract's catalogue (`PLATFORM_NOT_FOUND`) and is empty when no service answered. `trace_id` is the W3C
    trace that the call belongs to. `violations` are (field, what is wrong). `retry_after_seconds` is set when
    waiting helps. Every reason has a class of its own in `aidatalabs_client.errors`; one that is newer than
    this client comes as ApiError itself.
    """

    code: str
    exit_code: int
    message: str
    reason: str = ""
    request_id: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    violations: list[tuple[str, str]] = field(default_factory=list)
    retry_after_seconds: float | None = None
    trace_id: str = ""

    _classes: ClassVar[dict[str, type[ApiError]]] = {}
    _own_reason: ClassVar[str] = ""

    def __init_subclass__(cls, *, reason: str = "") -> None:
        super().__init_subclass__()
        if reason:
            cls._own_reason = reason
            ApiError._classes[reason] = cls

    def __post_init__(self) -> None:
        self.reason = self.reason or self._own_reason
        # What pickle gives the class again; the rest travels in the instance's own fields.
        super().__init__(self.code, self.exit_code, self.message)
        # Notes stand under a traceback, where whoever debugs looks first.
        for note in (self.next_step, f"request {self.request_id}" if self.request_id else ""):
            if note:
                self.add_note(note)

    def __str__(self) -> str:
        return f"{self.message} ({self.reason or self.code})"

    @property
    def next_step(self) -> str:
        """What to do about it in Python; empty where the message says all there is."""
        return NEXT_STEPS.get(self.reason, "") if self.reason else WITHOUT_REASON.get(self.code, "")

    @classmethod
    def of(cls, error: grpc.aio.AioRpcError, address: str = "") -> ApiError:
        """The error that a failed call's status and details describe, of its reason's class.

        `address` is where the call went: where nobody of the mesh answered, that is told.
        """
        code = error.code()
        plain = status_pb2.Status(code=int(code.value[0]), message=error.details() or "")
        for key, value in error.trailing_metadata() or ():
            if key == _DETAILS_KEY and isinstance(value, bytes):
                try:
                    plain.details.extend(status_pb2.Status.FromString(value).details)
                except DecodeError:
                    continue
        if code is grpc.StatusCode.UNAVAILABLE and not plain.details and address:
            plain.message = f"Nobody answers at {address}, or the connection broke."
        return cls.of_status(plain)

    @classmethod
    def of_status(cls, status: status_pb2.Status) -> ApiError:
        """The error that a google.rpc.Status describes; streams of answers end with one."""
        info, request, retry = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
        )
        retry_after_seconds = None
        for detail in status.details:
            detail.Unpack(info)
            detail.Unpack(request)
            if detail.Unpack(retry):
                retry_after_seconds = retry.retry_delay.ToTimedelta().total_seconds()
        metadata = dict(info.metadata)
        request_id, trace_id = metadata.pop("request_id", ""), metadata.pop("trace_id", "")
        return cls._classes.get(info.reason, ApiError)(
            _CODES.get(status.code, "UNKNOWN"),
            status.code,
            status.message or "The service gave no reason.",
            info.reason,
            request_id,
            metadata,
            [(one.field, one.description) for one in request.field_violations],
            retry_after_seconds,
            trace_id,
        )


class FileUnreadable(Exception):
    """A file is not what its ending says, or holds a type that no table column can; the text says where."""
