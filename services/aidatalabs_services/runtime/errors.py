"""The errors a service may answer with: one class per reason, fixed text, no driver words.

Domain code raises these; `runtime.interceptors` turns them into a gRPC status with
`google.rpc.ErrorInfo`, and Envoy turns that into the JSON body of REST. The reason of every class stands
in `proto/aidatalabs/common/v1/error_reason.proto`; a test compares the two.

    ServiceError
    ├── InvalidRequest, MalformedMessage, …      shared by every service (this module)
    ├── PlatformNotFound, …                      aidatalabs_services.platform.errors
    └── QueryNotReadOnly, …                      aidatalabs_services.data.errors
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class StatusCode(Enum):
    """The gRPC status codes by name; kept apart from `grpc` so that domain code needs no transport."""

    CANCELLED = 1
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True)
class FieldViolation:
    """One field that broke a rule: its path in the request (`events[3].value`) and what is wrong with it."""

    field: str
    description: str


class ServiceError(Exception):
    """An answer other than the one asked for, safe to show to the caller word for word.

    `message` says what happened and what to do next. `metadata` carries facts (strings, no secrets).
    `retry_after_seconds` is set only where waiting helps; it travels as RetryInfo.
    """

    code: ClassVar[StatusCode] = StatusCode.INTERNAL
    reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after_seconds = retry_after_seconds


class InternalError(ServiceError):
    """A fault of ours; the text is fixed, the cause is in the log under the request id."""


class InvalidRequest(ServiceError):
    """A field breaks a rule of the contract; `violations` names each."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "INVALID_REQUEST"


class MalformedMessage(ServiceError):
    """The bytes are not a message of the method's request type."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "MALFORMED_MESSAGE"


class TokenMissing(ServiceError):
    """The call carries no bearer token."""

    code = StatusCode.UNAUTHENTICATED
    reason = "TOKEN_MISSING"


class TokenInvalid(ServiceError):
    """The token is not one we issued for this API, or it was tampered with."""

    code = StatusCode.UNAUTHENTICATED
    reason = "TOKEN_INVALID"


class TokenExpired(ServiceError):
    """The token was good once; its time is over."""

    code = StatusCode.UNAUTHENTICATED
    reason = "TOKEN_EXPIRED"


class PermissionDenied(ServiceError):
    """The caller's role is too low; `metadata` names the role needed."""

    code = StatusCode.PERMISSION_DENIED
    reason = "PERMISSION_DENIED"


class PeerNotAllowed(ServiceError):
    """The calling service's certificate is none that may call this method; `metadata` names the peer."""

    code = StatusCode.PERMISSION_DENIED
    reason = "PEER_NOT_ALLOWED"


class MethodNotFound(ServiceError):
    """No service of the contract has this method."""

    code = StatusCode.UNIMPLEMENTED
    reason = "METHOD_NOT_FOUND"


class NotBuiltYet(ServiceError):
    """The method is in the contract and not built yet."""

    code = StatusCode.UNIMPLEMENTED
    reason = "NOT_BUILT_YET"


class DeadlineExceeded(ServiceError):
    """The call's time was over before its answer was complete."""

    code = StatusCode.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"


class CallCancelled(ServiceError):
    """The caller went away before its answer was complete."""

    code = StatusCode.CANCELLED
    reason = "CALL_CANCELLED"


class Overloaded(ServiceError):
    """Every place in the bounded queue is taken; RetryInfo says when to try again."""

    code = StatusCode.RESOURCE_EXHAUSTED
    reason = "OVERLOADED"


class ServiceUnavailable(ServiceError):
    """A part this call needs is down or starting; RetryInfo says when to try again."""

    code = StatusCode.UNAVAILABLE
    reason = "SERVICE_UNAVAILABLE"


class IdempotencyMismatch(ServiceError):
    """The request id was used before with other content."""

    code = StatusCode.ALREADY_EXISTS
    reason = "IDEMPOTENCY_MISMATCH"


class PlatformNotFound(ServiceError):
    """No such platform, or the caller is no member of it: both give the same answer."""

    code = StatusCode.NOT_FOUND
    reason = "PLATFORM_NOT_FOUND"


class RequestTooLarge(ServiceError):
    """The message is larger than its method takes; `metadata` names the limit in bytes."""

    code = StatusCode.RESOURCE_EXHAUSTED
    reason = "REQUEST_TOO_LARGE"


class PageTokenInvalid(ServiceError):
    """The page token is not one of this list, or belongs to other parameters."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "PAGE_TOKEN_INVALID"


def platform_not_found(platform: str) -> PlatformNotFound:
    """The one answer for a missing platform and for one the caller is no member of, word for word."""
    return PlatformNotFound(
        f"There is no platform {platform!r} among those you can see. List yours with GET /api/v1/platforms.",
        metadata={"platform": platform},
    )


def not_built_yet(method: str) -> NotBuiltYet:
    """The one answer of a method that is in the contract and not built."""
    return NotBuiltYet(
        "This method is in the contract and not built yet. The README lists what is.",
        metadata={"method": method},
    )
