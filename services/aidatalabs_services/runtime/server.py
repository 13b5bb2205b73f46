"""Runs one service: gRPC with health, reflection and the interceptors; stops without losing a call.

    asyncio.run(run(service, settings))        # until SIGTERM, SIGINT or the end of the parent

Stopping is a state of its own: health says NOT_SERVING, balancers get a moment to notice, no new call is
taken, running calls finish, the service's own `close` runs, and the process ends with 0.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2_grpc

from aidatalabs_services.runtime.access import Gate, MethodAccess, Scope, check_complete
from aidatalabs_services.runtime.access_table import TABLE
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import open_channel
from aidatalabs_services.runtime.contract import load_contract
from aidatalabs_services.runtime.health import MeshHealth
from aidatalabs_services.runtime.interceptors import CallInterceptor
from aidatalabs_services.runtime.interceptors.admission import Admission
from aidatalabs_services.runtime.interceptors.answers import Answers
from aidatalabs_services.runtime.interceptors.validation import request_rules
from aidatalabs_services.runtime.listening import AddressInUse, listen, server_options
from aidatalabs_services.runtime.loop_watch import LoopWatch
from aidatalabs_services.runtime.metrics import Metrics
from aidatalabs_services.runtime.metrics_calls import CallMeter
from aidatalabs_services.runtime.metrics_server import MetricsServer
from aidatalabs_services.runtime.reflection import SERVICE_NAME as REFLECTION_NAME
from aidatalabs_services.runtime.reflection import add_reflection
from aidatalabs_services.runtime.roles import RemoteRoleDirectory, RoleDirectory
from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.tokens import TokenVerifier, jwks_source

__all__ = ["LIFELINE_VARIABLE", "AddressInUse", "RunningServer", "Service", "run", "start_server"]

LIFELINE_VARIABLE = "AIDATALABS_LIFELINE_FD"
_DAY_SECONDS = 86_400.0
# How long a thread that computes keeps the event loop waiting, at every turn of it. Beside three such threads
# a server took 20 calls a second with Python's own 0.005, and 300 with this.
_THREAD_TURN_SECONDS = 0.0005
_INFRASTRUCTURE = (
    MethodAccess("/grpc.health.v1.Health/Check", Scope.OPEN, Role.NONE, deadline_seconds=5.0),
    MethodAccess("/grpc.health.v1.Health/List", Scope.OPEN, Role.NONE, deadline_seconds=5.0),
    MethodAccess("/grpc.health.v1.Health/Watch", Scope.OPEN, Role.NONE, deadline_seconds=_DAY_SECONDS),
    MethodAccess(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        Scope.SELF,
        Role.NONE,
        deadline_seconds=60.0,
        peers=("edge",),
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
    token check; the platform service passes the first, the identity service may pass the second. `metrics`
    has the families of its own.
    """

    name: str
    register: Callable[[grpc.aio.Server], None]
    full_names: tuple[str, ...]
    start: Callable[[], Awaitable[None]] = _nothing
    close: Callable[[], Awaitable[None]] = _nothing
    roles: RoleDirectory | None = field(default=None, repr=False)
    verifier: TokenVerifier | None = field(default=None, repr=False)
    metrics: Metrics = field(default_factory=Metrics, repr=False)


class RunningServer:
    """One service that listens. Made by `start_server`; `address` is where, with the real port.

    `metrics_address` is where its metrics are read, empty without `settings.metrics_address`.
    """

    def __init__(self, service: Service, settings: ServerSettings, table: Sequence[MethodAccess]) -> None:
        self.address = ""
        self.metrics_address = ""
        self._service = service
        self._settings = settings
        own = tuple(f"/{name}/" for name in service.full_names)
        served = [row.deadline_seconds for row in table if row.method.startswith(own)]
        self._grace_seconds = min(max(served, default=0.0) + 1.0, settings.drain_limit_seconds)
        self._rows = {row.method: row for row in (*_INFRASTRUCTURE, *table)}
        self._health: MeshHealth
        self._channel: grpc.aio.Channel | None = None
        self._drained: asyncio.Task[None] | None = None
        self._server: grpc.aio.Server
        self._interceptor: CallInterceptor
        self._metrics_server = MetricsServer(service.metrics)
        self._log = structlog.get_logger()

    async def start(self, contract: Sequence[ServiceDescriptor]) -> None:
        """Builds the server, runs the service's `start` hook, then listens and reports SERVING."""
        rules = request_rules()
        rules.prepare(method.input_type for service in contract for method in service.methods)
        settings = self._settings
        names = frozenset(service.full_name for service in contract)
        self._health = MeshHealth(self._service.full_names, names, settings.peer_addresses, settings.tls)
        admission = Admission(
            settings.running_calls, settings.queued_calls, settings.queued_bytes, settings.queued_seconds
        )
        self._interceptor = CallInterceptor(
            self._rows,
            self._service.verifier or TokenVerifier(jwks_source(settings.jwks_url)),
            Gate(self._roles()),
            admission,
            Answers(settings.unsent_bytes),
            rules,
            CallMeter(self._service.metrics, admission, settings.running_calls, self._rows),
            peers_are_known=settings.tls is not None,
        )
        self._server = grpc.aio.server(
            interceptors=(self._interceptor,), options=server_options(settings.receive_bytes)
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        listed = [*sorted(names), health.SERVICE_NAME, REFLECTION_NAME]
        add_reflection(self._server, listed)
        self._service.register(self._server)
        await self._health.serving(False)
        await self._service.start()
        try:
            if settings.metrics_address:
                await self._metrics_server.start(settings.metrics_address)
                self.metrics_address = self._metrics_server.address
            self.address = listen(self._server, settings.listen_address, settings.tls)
            await self._server.start()
        except BaseException:
            await self._close()
            raise
        await self._health.serving(True)
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
        await self._health.drain()
        await asyncio.sleep(settings.drain_wait_seconds if wait_seconds is None else wait_seconds)
        self._interceptor.end_open_calls()
        await self._server.stop(self._grace_seconds)
        await self._close()
        self._log.info("stopped")

    async def _close(self) -> None:
        await self._metrics_server.close()
        await self._service.close()
        await self._health.close()
        if self._channel is not None:
            await self._channel.close()

    def _roles(self) -> RoleDirectory:
        if self._service.roles is not None:
            return self._service.roles
        if not self._settings.platform_address:
            raise ValueError(f"{self._service.name} needs platform_address: it keeps no roles of its own")
        asked = "/aidatalabs.common.v1.AccessService/ResolveAccess"
        self._channel = open_channel(
            self._settings.platform_address, service="platform", tls=self._settings.tls, idempotent=[asked]
        )
        return RemoteRoleDirectory(self._channel)


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


async def run(
    service: Service,
    settings: ServerSettings,
    *,
    table: Sequence[MethodAccess] | None = None,
    contract: Sequence[ServiceDescriptor] | None = None,
) -> None:
    """Serves until SIGTERM, SIGINT or the end of the parent (see LIFELINE_VARIABLE), drains, and returns.

    `table` and `contract` as for `start_server`.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    _watch_lifeline(loop, stop)
    sys.setswitchinterval(_THREAD_TURN_SECONDS)
    watch = LoopWatch()
    watch.start()
    server = await start_server(service, settings, table=table, contract=contract)
    await stop.wait()
    cut: list[asyncio.Task[None]] = []
    for number in signals:  # asked twice, it stops at once
        loop.add_signal_handler(number, lambda: cut.append(asyncio.create_task(server.stop_now())))
    await server.drain()
    watch.stop()


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
