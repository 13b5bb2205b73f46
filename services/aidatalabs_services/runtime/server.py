"""Runs one service: gRPC with health, reflection and the interceptors; stops without losing a call.

    asyncio.run(run(service, settings))        # until SIGTERM, SIGINT or the end of the parent

Stopping is a state of its own: health says NOT_SERVING, balancers get a moment to notice, no new call is
taken, running calls finish, the service's own `close` runs, and the process ends with 0.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from aidatalabs_services.runtime.access import Gate, MethodAccess, Scope, check_complete
from aidatalabs_services.runtime.access_table import TABLE
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import open_channel
from aidatalabs_services.runtime.contract import load_contract
from aidatalabs_services.runtime.interceptors import CallInterceptor
from aidatalabs_services.runtime.interceptors.admission import Admission
from aidatalabs_services.runtime.interceptors.validation import RequestRules
from aidatalabs_services.runtime.roles import RemoteRoleDirectory, RoleDirectory
from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.tokens import TokenVerifier, jwks_source

LIFELINE_VARIABLE = "AIDATALABS_LIFELINE_FD"
_ABOVE_LIMIT_BYTES = 1024 * 1024  # a little too large still reaches us, and gets a refusal with its reason

_DAY_SECONDS = 86_400.0
_INFRASTRUCTURE = (
    MethodAccess("/grpc.health.v1.Health/Check", Scope.OPEN, Role.NONE, deadline_seconds=5.0),
    MethodAccess("/grpc.health.v1.Health/List", Scope.OPEN, Role.NONE, deadline_seconds=5.0),
    MethodAccess("/grpc.health.v1.Health/Watch", Scope.OPEN, Role.NONE, deadline_seconds=_DAY_SECONDS),
    MethodAccess(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        Scope.SELF,
        Role.NONE,
        deadline_seconds=60.0,
    ),
)


async def _nothing() -> None:
    """The hook of a service that has nothing to start or close."""


@dataclass(frozen=True)
class Service:
    """A service as its bootstrap hands it over.

    `register` adds its servicers to the server; `full_names` are their proto services
    (`aidatalabs.data.v1.DataService`), which health answers for. `start` runs before the first call is
    taken, `close` after the last one ended. `roles` and `verifier` replace the shared role directory and
    token check; the platform service passes the first, the identity service may pass the second.
    """

    name: str
    register: Callable[[grpc.aio.Server], None]
    full_names: tuple[str, ...]
    start: Callable[[], Awaitable[None]] = _nothing
    close: Callable[[], Awaitable[None]] = _nothing
    roles: RoleDirectory | None = field(default=None, repr=False)
    verifier: TokenVerifier | None = field(default=None, repr=False)


class AddressInUse(Exception):
    """Another process listens on the address already."""


class RunningServer:
    """One service that listens. Made by `start_server`; `address` is where, with the real port."""

    def __init__(self, service: Service, settings: ServerSettings, table: Sequence[MethodAccess]) -> None:
        self.address = ""
        self._service = service
        self._settings = settings
        self._longest_seconds = max((row.deadline_seconds for row in table), default=0.0)
        self._rows = {row.method: row for row in (*_INFRASTRUCTURE, *table)}
        self._health = health.aio.HealthServicer()
        self._channel: grpc.aio.Channel | None = None
        self._drained: asyncio.Task[None] | None = None
        self._server: grpc.aio.Server
        self._interceptor: CallInterceptor
        self._log = structlog.get_logger()

    async def start(self, contract: Sequence[ServiceDescriptor]) -> None:
        """Builds the server, runs the service's `start` hook, then listens and reports SERVING."""
        rules = RequestRules()
        rules.prepare(method.input_type for service in contract for method in service.methods)
        settings = self._settings
        self._interceptor = CallInterceptor(
            self._rows,
            self._service.verifier or TokenVerifier(jwks_source(settings.jwks_url)),
            Gate(self._roles()),
            Admission(settings.running_calls, settings.queued_calls),
            rules,
        )
        self._server = grpc.aio.server(interceptors=(self._interceptor,), options=_options(settings))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [*(service.full_name for service in contract), health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, self._server)
        self._service.register(self._server)
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._service.start()
        try:
            self.address = _listen(self._server, settings.listen_address)
            await self._server.start()
        except BaseException:
            await self._close()
            raise
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        self._log.info("serving", address=self.address)

    async def drain(self, *, wait_seconds: float | None = None) -> None:
        """Stops as the module describes; `wait_seconds` replaces the wait for balancers. Idempotent."""
        if self._drained is None:
            self._drained = asyncio.create_task(self._drain(wait_seconds))
        await asyncio.shield(self._drained)

    async def stop_now(self) -> None:
        """Cuts running calls (a second signal)."""
        await self._server.stop(0)

    async def _drain(self, wait_seconds: float | None) -> None:
        settings = self._settings
        self._log.info("draining")
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(settings.drain_wait_seconds if wait_seconds is None else wait_seconds)
        self._interceptor.end_open_calls()
        await self._server.stop(min(self._longest_seconds + 1.0, settings.drain_limit_seconds))
        await self._close()
        self._log.info("stopped")

    async def _close(self) -> None:
        await self._service.close()
        if self._channel is not None:
            await self._channel.close()

    def _roles(self) -> RoleDirectory:
        if self._service.roles is not None:
            return self._service.roles
        if not self._settings.platform_address:
            raise ValueError(f"{self._service.name} needs platform_address: it keeps no roles of its own")
        asked = "/aidatalabs.common.v1.AccessService/ResolveAccess"
        self._channel = open_channel(self._settings.platform_address, idempotent=[asked])
        return RemoteRoleDirectory(self._channel)

    async def _set_health(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", *self._service.full_names):
            await self._health.set(name, status)


async def start_server(
    service: Service,
    settings: ServerSettings,
    *,
    table: Sequence[MethodAccess] | None = None,
    contract: Sequence[ServiceDescriptor] | None = None,
) -> RunningServer:
    """Starts a service and returns when it is SERVING.

    `table` and `contract` default to the access table and the services of the contract; tests pass their
    own. Raises AccessTableIncomplete, AddressInUse, or what the service's `start` raises.
    """
    rows = TABLE if table is None else table
    services = load_contract() if contract is None else contract
    check_complete(rows, services)
    server = RunningServer(service, settings, rows)
    await server.start(services)
    return server


async def run(service: Service, settings: ServerSettings) -> None:
    """Serves until SIGTERM, SIGINT or the end of the parent (see LIFELINE_VARIABLE), drains, and returns."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    _watch_lifeline(loop, stop)
    server = await start_server(service, settings)
    await stop.wait()
    cut: list[asyncio.Task[None]] = []
    for number in signals:  # asked twice, it stops at once
        loop.add_signal_handler(number, lambda: cut.append(asyncio.create_task(server.stop_now())))
    await server.drain()


def _watch_lifeline(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Stops when the pipe held by the parent closes: whatever kills the parent, no orphan stays."""
    number = os.environ.get(LIFELINE_VARIABLE)
    if number is None:
        return
    descriptor = int(number)
    os.set_inheritable(descriptor, False)

    def readable() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            stop.set()

    loop.add_reader(descriptor, readable)


def _options(settings: ServerSettings) -> list[tuple[str, int]]:
    return [
        # One port per process; two processes on one port would share connections unevenly and unseen.
        ("grpc.so_reuseport", 0),
        # The default sheds load as CANCELLED from about a thousand calls in flight.
        ("grpc.server.max_pending_requests", 20_000),
        ("grpc.server.max_pending_requests_hard_limit", 40_000),
        ("grpc.max_receive_message_length", settings.receive_bytes + _ABOVE_LIMIT_BYTES),
        ("grpc.max_send_message_length", 64 * 1024 * 1024),
        ("grpc.max_metadata_size", 32 * 1024),
        ("grpc.absolute_max_metadata_size", 64 * 1024),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        # A client that was refused while it sends much pings often; cutting its connection helps nobody.
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.max_concurrent_streams", 4_096),
    ]


def _listen(server: grpc.aio.Server, address: str) -> str:
    """Binds and returns the address with the real port. Raises AddressInUse."""
    if not address.startswith("unix:"):
        host = address.rsplit(":", 1)[0]
        try:
            return f"{host}:{server.add_insecure_port(address)}"
        except RuntimeError:
            raise AddressInUse(f"Another process listens on {address}. Stop it or choose another.") from None
    path = Path(address.removeprefix("unix:").replace("//", "/"))
    _remove_stale_socket(path)
    before = os.umask(0o177)
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError:
        raise AddressInUse(f"Nothing can listen on {path}. Is its folder there and writable?") from None
    finally:
        os.umask(before)
    return f"unix:{path}"


def _remove_stale_socket(path: Path) -> None:
    """Removes the socket of a process that is gone; a live one is not taken over."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise AddressInUse(f"{path} is no socket. Remove it or choose another address.")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise AddressInUse(f"Another process listens on {path}. Stop it or choose another address.")
