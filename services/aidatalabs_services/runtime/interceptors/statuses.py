"""From an exception to the status a client sees: fixed words, one machine-readable reason, never a cause."""

from __future__ import annotations

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2

from aidatalabs_services.runtime.channels import DETAILS_KEY, ERROR_DOMAIN, REQUEST_ID_KEY
from aidatalabs_services.runtime.errors import InternalError, ServiceError

# Metadata is bounded (8 KiB in many clients and proxies); a longer one would lose the whole status.
_MESSAGE_CHARACTERS = 1000
_FACT_CHARACTERS = 300
_VIOLATIONS = 16

_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}

Trailing = tuple[tuple[str, str | bytes], ...]


def service_error(error: BaseException) -> ServiceError:
    """The ServiceError to answer with: the error itself, one inside a group of a task group, or INTERNAL."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = error.subgroup(ServiceError)
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]  # type: ignore[assignment]
        if isinstance(found, ServiceError):
            return found
    return InternalError("Something went wrong on our side. Give the request id when you report it.")


def packed_status(error: ServiceError, request_id: str, trace_id: str = "") -> status_pb2.Status:
    """The google.rpc.Status of an error: ErrorInfo always, BadRequest and RetryInfo where they apply.

    The metadata of ErrorInfo has the ids under which the call stands in the logs and in its trace.
    """
    metadata = {key: value[:_FACT_CHARACTERS] for key, value in error.metadata.items()}
    metadata.setdefault("request_id", request_id)
    if trace_id:
        metadata["trace_id"] = trace_id
    details = [_any(error_details_pb2.ErrorInfo(domain=ERROR_DOMAIN, reason=error.reason, metadata=metadata))]
    if error.violations:
        bad = error_details_pb2.BadRequest()
        for item in error.violations[:_VIOLATIONS]:
            bad.field_violations.add(
                field=item.field[:_FACT_CHARACTERS], description=item.description[:_FACT_CHARACTERS]
            )
        details.append(_any(bad))
    if error.retry_after_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(error.retry_after_seconds * 1000))
        details.append(_any(retry))
    return status_pb2.Status(
        code=error.code.value, message=error.message[:_MESSAGE_CHARACTERS], details=details
    )


def trailing_status(
    error: ServiceError, request_id: str, trace_id: str
) -> tuple[grpc.StatusCode, str, Trailing]:
    """The gRPC code, its text and the trailing metadata with the packed details."""
    status = packed_status(error, request_id, trace_id)
    trailing = ((REQUEST_ID_KEY, request_id), (DETAILS_KEY, status.SerializeToString()))
    return _GRPC_CODES[status.code], status.message, trailing


def _any(message: error_details_pb2.ErrorInfo) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed
