"""The service's plain-HTTP side: a unix socket or an address of the mesh, one error shape for all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog
from aiohttp import web

from aidatalabs_services.identity.adapters.http_errors import RouteNotFound, error_response
from aidatalabs_services.runtime.caller import Call, current_call, set_current_call
from aidatalabs_services.runtime.errors import DeadlineExceeded, InternalError, ServiceError
from aidatalabs_services.runtime.interceptors.identities import request_id_of
from aidatalabs_services.runtime.interceptors.statuses import service_error
from aidatalabs_services.runtime.server import AddressInUse
from aidatalabs_services.runtime.telemetry import CallSpan, tracing_is_on
from aidatalabs_services.runtime.telemetry_context import new_trace, read_trace

_ANSWER_SECONDS = 5.0
# The edge repeats a call's path here, and 8 KiB of SQL may stand in one.
_LINE_BYTES = 64 * 1024
_BODY_BYTES = 16 * 1024

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpServer:
    """Serves routes until it is closed; `address` is where, with the real port."""

    def __init__(self, address: str, routes: Iterable[web.RouteDef]) -> None:
        self._address = address
        application = web.Application(middlewares=[_as_a_call], client_max_size=_BODY_BYTES)
        application.add_routes(routes)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            max_line_size=_LINE_BYTES,
            max_field_size=_LINE_BYTES,
        )
        self.address = ""

    async def start(self) -> None:
        """Listens on `unix:/path.sock` (mode 0600) or `host:port` (0: any). Raises AddressInUse."""
        await self._runner.setup()
        if self._address.startswith("unix:"):
            await self._listen_on_socket(self._address.removeprefix("unix:").replace("//", "/"))
            return
        host, _, port = self._address.rpartition(":")
        try:
            await web.TCPSite(self._runner, host.strip("[]"), int(port)).start()
        except OSError:
            raise _in_use(self._address) from None
        self.address = f"{host}:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stops listening."""
        await self._runner.cleanup()

    async def _listen_on_socket(self, path: str) -> None:
        if await _somebody_listens(path):
            raise _in_use(path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        before = os.umask(0o177)
        try:
            await web.UnixSite(self._runner, path).start()
        finally:
            os.umask(before)
        self.address = f"unix:{path}"


async def _somebody_listens(path: str) -> bool:
    """False for no socket and for one whose process is gone, which may be replaced."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


def _in_use(address: str) -> AddressInUse:
    return AddressInUse(f"Another process listens on {address}. Stop it or choose another address.")


@web.middleware
async def _as_a_call(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """What the interceptors are to gRPC: request id, trace, deadline, and every refusal in the one shape."""
    headers = [(name.lower(), value) for name, value in request.headers.items()]
    resource = request.match_info.route.resource
    route = resource.canonical if resource else "?"
    method = f"{request.method} {route}"[:100]
    trace = read_trace(headers)
    # Keys are fetched every few seconds, outside of any trace.
    about = {"http.request.method": request.method, "http.route": route}
    span = CallSpan(method, trace, about) if tracing_is_on() and trace is not None else None
    trace = span.trace if span is not None else trace or new_trace()
    call = Call(request_id_of(headers), method, time.monotonic() + _ANSWER_SECONDS, trace=trace)
    set_current_call(call)
    status = 500
    try:
        answer = await _answer(request, handler)
        status = answer.status
        return answer
    finally:
        if span is not None:
            span.end(call.request_id, {"http.response.status_code": status}, status >= 500)
        set_current_call(None)  # the connection's next request runs in the same task


async def _answer(request: web.Request, handler: _Handler) -> web.StreamResponse:
    scope = asyncio.timeout(_ANSWER_SECONDS)
    try:
        async with scope:
            return await handler(request)
    except web.HTTPClientError:  # no such path, no such verb; the body is never read
        refusal = RouteNotFound("There is nothing at this path with this verb; see the API reference.")
        return _refused(refusal)
    except Exception as error:  # noqa: BLE001 - the outermost place: whatever it is becomes an answer
        late = isinstance(error, TimeoutError) and scope.expired()
        known = DeadlineExceeded("The answer took too long. Try again.") if late else service_error(error)
        if isinstance(known, InternalError):
            structlog.get_logger().error("http call failed", exc_info=error)
        return _refused(known)


def _refused(error: ServiceError) -> web.Response:
    call = current_call()
    return error_response(error, call.request_id, call.trace.trace_id)
