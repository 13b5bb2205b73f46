"""The fake server itself: real gRPC on a free port, with answers out of memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor

from aidatalabs.agent.v1 import agent_service_pb2
from aidatalabs.data.v1 import data_service_pb2
from aidatalabs.identity.v1 import identity_service_pb2
from aidatalabs.monitoring.v1 import monitoring_service_pb2
from aidatalabs.platform.v1 import platform_service_pb2
from aidatalabs_client.blocking import LoopThread
from aidatalabs_client.testing.refusals import Failure
from aidatalabs_client.testing.scripts import (
    FakeAgent,
    FakeQueries,
    Scripts,
    answer_message,
    plain,
    question_back,
)
from aidatalabs_client.testing.tables import FakeTables
from aidatalabs_client.testing.typed_paths import FakeTypedPaths
from aidatalabs_client.testing.workspace import Workspace

_FILES = (
    agent_service_pb2,
    data_service_pb2,
    identity_service_pb2,
    monitoring_service_pb2,
    platform_service_pb2,
)
_MESSAGE_BYTES = 64 * 1024 * 1024
_OPTIONS = (("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.so_reuseport", 0))


@dataclass(frozen=True)
class RecordedCall:
    """A call that reached the fake server: `DataService/Query`, its request message, the bearer token."""

    method: str
    request: Any
    token: str


class FakeServer:
    """A fake of the mesh on a free port of this machine; use it with `with` or `async with`.

    It answers what it was told, keeps platforms, tables and rows in memory, takes any token and refuses what
    it was told nothing about. `calls` are all calls that came. It starts with `platforms`, each with the
    table `events`.
    """

    def __init__(self, *, platforms: Sequence[str] = ("platforms/demo",)) -> None:
        self.address = ""
        self.calls: list[RecordedCall] = []
        self._failures: list[Failure] = []
        self._scripts = Scripts()
        self._workspace = Workspace(platforms)
        self._services = {
            "AgentService": (FakeAgent(self._scripts),),
            "DataService": (
                FakeQueries(self._scripts),
                FakeTables(self._workspace),
                FakeTypedPaths(self._workspace),
            ),
            "IdentityService": (self._workspace,),
            "PlatformService": (self._workspace,),
            "MonitoringService": (),
        }
        self._server: grpc.aio.Server | None = None
        self._thread: LoopThread | None = None

    def answer(
        self,
        question: str,
        text: str = "",
        *,
        sql: str = "",
        rows: Sequence[Mapping[str, Any]] = (),
        chart: Mapping[str, Any] | None = None,
        explanation: Sequence[str] = (),
    ) -> None:
        """From now on the question has this answer; the types of columns follow from the values."""
        self._scripts.answers[plain(question)] = answer_message(text, sql, rows, chart, explanation)

    def ask_back(self, question: str, asks: str, choices: Sequence[str]) -> None:
        """From now on the question is answered with a question back and its choices."""
        self._scripts.answers[plain(question)] = question_back(asks, choices)

    def result(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """From now on this very query has these rows: in `query`, `query_arrow`, `stream_query`, `export`."""
        self._scripts.results[plain(sql)] = list(rows)

    def rows(self, table: str, platform: str = "platforms/demo") -> list[dict[str, Any]]:
        """The rows that were ingested into a table, as Python values."""
        return self._workspace.kept(platform, table).rows

    def fail(
        self,
        code: str = "UNAVAILABLE",
        reason: str = "SERVICE_UNAVAILABLE",
        *,
        times: int = 1,
        method: str = "",
        retry_after_seconds: float | None = None,
        message: str = "The fake server was told to refuse this call.",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Refuses the next `times` calls, of the RPC `method` where named; an empty reason has no details."""
        facts = dict(metadata or {})
        failure = Failure(code, reason, message, facts, [], retry_after_seconds, method, times)
        self._failures.append(failure)

    def __enter__(self) -> Self:
        self._thread = LoopThread.shared()
        self._thread.run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.run(self._stop())

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _start(self) -> None:
        self._server = grpc.aio.server(options=_OPTIONS)
        for file in _FILES:
            for service in file.DESCRIPTOR.services_by_name.values():
                handlers = {method.name: self._handler(method) for method in service.methods}
                generic = grpc.method_handlers_generic_handler(service.full_name, handlers)
                self._server.add_generic_rpc_handlers((generic,))
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self.address = f"127.0.0.1:{port}"

    async def _stop(self) -> None:
        if self._server is not None:
            await self._server.stop(0)

    def _handler(self, method: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
        async def one(request: Any, context: Any) -> Any:
            try:
                return await self._answering(method, request, context)(request)
            except Failure as failure:
                await _refuse(context, failure)

        async def many(request: Any, context: Any) -> AsyncIterator[Any]:
            try:
                async for message in self._answering(method, request, context)(request):
                    yield message
            except Failure as failure:
                await _refuse(context, failure)

        async def each(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            answering = None
            try:
                async for request in requests:
                    answering = answering or self._answering(method, request, context)
                    yield await answering(request)
            except Failure as failure:
                await _refuse(context, failure)

        read = message_factory.GetMessageClass(method.input_type).FromString
        write = message_factory.GetMessageClass(method.output_type).SerializeToString
        if method.client_streaming:
            return grpc.stream_stream_rpc_method_handler(each, read, write)
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(many, read, write)
        return grpc.unary_unary_rpc_method_handler(one, read, write)

    def _answering(self, method: MethodDescriptor, request: Any, context: Any) -> Any:
        """What answers the call. Raises Failure where it was told to, or where there is nothing."""
        service = method.containing_service.name
        headers = dict(context.invocation_metadata())
        token = str(headers.get("authorization", "")).removeprefix("Bearer ")
        self.calls.append(RecordedCall(f"{service}/{method.name}", request, token))
        if not token:
            raise Failure("UNAUTHENTICATED", "TOKEN_MISSING", "The call carries no token.")
        for failure in self._failures:
            if failure.times > 0 and failure.method in ("", method.name):
                failure.times -= 1
                raise failure
        if isinstance(platform := getattr(request, "platform", None), str) and platform:
            self._workspace.space(platform)
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower()
        for part in self._services[service]:
            if hasattr(part, name):
                return getattr(part, name)
        raise Failure(
            "UNIMPLEMENTED",
            "NOT_BUILT_YET",
            f"The fake server has no {service}/{method.name}.",
            {"method": f"/{method.containing_service.full_name}/{method.name}"},
        )


async def _refuse(context: Any, failure: Failure) -> None:
    if failure.reason or failure.retry_after_seconds is not None:
        context.set_trailing_metadata((("grpc-status-details-bin", failure.packed()),))
    await context.abort(failure.status, failure.message)
