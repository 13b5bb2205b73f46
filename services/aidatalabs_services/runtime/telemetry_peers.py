"""A client span around each call to a peer, and the headers that make the peer's span its child.

Put into a channel by `channels.open_channel` while tracing is on; without tracing the headers of
`channels.call_metadata` carry the trace alone and a channel has no interceptor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from opentelemetry.trace import Status, StatusCode

from aidatalabs_services.runtime.telemetry import begin_span, context_headers, rpc_attributes, rpc_outcome


class PeerSpans(grpc.aio.UnaryUnaryClientInterceptor):
    """Spans of calls with one message each way, the only ones that services make to one another.

    A stream to a peer would still be in the trace, by its headers, without a span of its own. Calls outside a
    recorded call (health, start-up) have none.
    """

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Any],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        """Runs the call inside its span; its outcome passes unchanged."""
        method = client_call_details.method
        path = method.decode() if isinstance(method, bytes) else str(method)
        made = begin_span(path.strip("/"), rpc_attributes(path))
        if not made.is_recording():
            return await continuation(client_call_details, request)
        ended = "CANCELLED"
        try:
            call = await continuation(_with_headers(client_call_details, context_headers(made)), request)
            try:
                await call  # again awaited by the caller, who gets the same answer or error
                ended = "OK"
            except grpc.aio.AioRpcError as error:
                ended = error.code().name
            return call
        finally:
            made.set_attributes(rpc_outcome(ended))
            if ended != "OK":
                made.set_status(Status(StatusCode.ERROR))
            made.end()


def _with_headers(
    details: grpc.aio.ClientCallDetails, headers: tuple[tuple[str, str], ...]
) -> grpc.aio.ClientCallDetails:
    """The details of a call whose trace headers are replaced."""
    names = {name for name, _ in headers}
    others = [pair for pair in details.metadata or () if pair[0] not in names]
    return grpc.aio.ClientCallDetails(
        details.method,
        details.timeout,
        grpc.aio.Metadata(*others, *headers),
        details.credentials,
        details.wait_for_ready,
    )
