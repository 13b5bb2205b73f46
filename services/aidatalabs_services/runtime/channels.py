"""Calls to peer services: one channel per peer, the caller's identity and time passed on, refusals unchanged.

A peer's refusal reaches the caller word for word: `peer_errors` turns it back into the ServiceError it was.
What the transport adds (peer down, connection lost) becomes ServiceUnavailable.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from functools import cache

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from aidatalabs_services.runtime.caller import current_call
from aidatalabs_services.runtime.errors import (
    CallCancelled,
    DeadlineExceeded,
    FieldViolation,
    InternalError,
    ServiceError,
    ServiceUnavailable,
    StatusCode,
)
from aidatalabs_services.runtime.telemetry import trace_headers, tracing_is_on
from aidatalabs_services.runtime.telemetry_peers import PeerSpans
from aidatalabs_services.runtime.tls import TlsFiles, server_name

DETAILS_KEY = "grpc-status-details-bin"
REQUEST_ID_KEY = "x-request-id"
ERROR_DOMAIN = "aidatalabs"
_RECEIVE_BYTES = 64 * 1024 * 1024
_SMALLEST_TIMEOUT_SECONDS = 0.001


def grpc_target(address: str) -> str:
    """The gRPC target of a setting's address: `unix:/path` stays, `host:port` is looked up by DNS."""
    return address if address.startswith("unix:") else f"dns:///{address}"


def open_channel(
    address: str, *, service: str = "", tls: TlsFiles | None = None, idempotent: Iterable[str] = ()
) -> grpc.aio.Channel:
    """A channel to `unix:/path` or `host:port`; open one per peer inside the running loop.

    With `tls` (a service's `settings.tls`) the channel shows that certificate and talks only to a server
    whose own one names `service`, wherever the address leads; without it the connection is plain.
    `idempotent` lists the methods (`/package.Service/Method`) that gRPC may repeat by itself while the peer
    is unavailable (4 attempts within about a second). Messages up to 64 MiB are received.
    """
    if tls is not None and not service:
        raise ValueError("a channel with TLS needs the name of the service it is meant for")
    names = [dict(zip(("service", "method"), path.strip("/").split("/"), strict=True)) for path in idempotent]
    retry = {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    config = {
        "methodConfig": [{"name": names, "retryPolicy": retry}] if names else [],
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
    }
    options: list[tuple[str, str | int]] = [
        ("grpc.service_config", json.dumps(config)),
        ("grpc.max_receive_message_length", _RECEIVE_BYTES),
        ("grpc.max_send_message_length", _RECEIVE_BYTES),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.max_metadata_size", 32 * 1024),
        ("grpc.absolute_max_metadata_size", 64 * 1024),
    ]
    target, spans = grpc_target(address), [PeerSpans()] if tracing_is_on() else []
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options, interceptors=spans)
    options.append(("grpc.ssl_target_name_override", server_name(service)))
    return grpc.aio.secure_channel(target, tls.channel_credentials(), options=options, interceptors=spans)


def call_metadata() -> tuple[tuple[str, str], ...]:
    """The metadata that carries this call's request id, its trace and its caller's token to a peer."""
    call = current_call()
    identity = (("authorization", f"Bearer {call.caller.token}"),) if call.caller else ()
    return ((REQUEST_ID_KEY, call.request_id), *trace_headers(), *identity)


def call_timeout(margin_seconds: float = 0.05) -> float:
    """The seconds a peer may take: what is left of this call less a margin to turn its answer into ours.

    Raises DeadlineExceeded when nothing is left.
    """
    left = current_call().seconds_left() - margin_seconds
    if left < _SMALLEST_TIMEOUT_SECONDS:
        raise DeadlineExceeded("The time of this call was over before its answer was complete.")
    return left


@contextlib.contextmanager
def peer_errors(service: str) -> Iterator[None]:
    """Turns a failed call to the peer `service` into the ServiceError it stands for."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise _translated(error, service) from error


def _translated(error: grpc.aio.AioRpcError, service: str) -> ServiceError:
    relayed = _relayed(error)
    if relayed is not None:
        return relayed
    code = error.code()
    if code is grpc.StatusCode.UNAVAILABLE:
        return ServiceUnavailable(
            f"The {service} service cannot be reached at the moment. Try again shortly.",
            metadata={"service": service},
            retry_after_seconds=1.0,
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded("The time of this call was over before its answer was complete.")
    if code is grpc.StatusCode.CANCELLED:
        return CallCancelled("The call was cancelled before its answer was complete.")
    return InternalError("Something went wrong on our side. Give the request id when you report it.")


def _relayed(error: grpc.aio.AioRpcError) -> ServiceError | None:
    """The peer's own refusal, if the status carries our ErrorInfo."""
    packed = next((value for key, value in error.trailing_metadata() or () if key == DETAILS_KEY), None)
    if not isinstance(packed, bytes):
        return None
    try:
        status = status_pb2.Status.FromString(packed)
    except DecodeError:
        return None
    info, bad, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    has_retry = False
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
        has_retry = bool(detail.Unpack(retry)) or has_retry
    if info.domain != ERROR_DOMAIN or status.code not in {code.value for code in StatusCode}:
        return None
    made = error_class(info.reason, StatusCode(status.code))
    relayed = made.__new__(made)  # its own constructor may take other arguments
    ServiceError.__init__(
        relayed,
        status.message,
        metadata=info.metadata,
        violations=[FieldViolation(item.field, item.description) for item in bad.field_violations],
        retry_after_seconds=retry.retry_delay.ToTimedelta().total_seconds() if has_retry else None,
    )
    return relayed


def error_class(reason: str, code: StatusCode) -> type[ServiceError]:
    """The exception class of a peer's reason: a shared one of this process, else one made for it."""
    waiting = [ServiceError]
    while waiting:
        known = waiting.pop()
        if known.reason == reason and known.code is code and known is not ServiceError:
            return known
        waiting.extend(known.__subclasses__())
    return _made_class(reason, code)


@cache
def _made_class(reason: str, code: StatusCode) -> type[ServiceError]:
    name = "".join(word.capitalize() for word in reason.split("_"))
    return type(
        name, (ServiceError,), {"code": code, "reason": reason, "__doc__": "A refusal of a peer service."}
    )
