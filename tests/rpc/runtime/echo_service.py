"""A small service with one method of each kind, made from descriptors, to try the runtime on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message_factory import GetMessageClass

from aidatalabs_services.runtime.access import MethodAccess, Scope
from aidatalabs_services.runtime.caller import Role, current_call, current_caller
from aidatalabs_services.runtime.server import Service

NAME = "runtimetest.v1.EchoService"
_FIELD = descriptor_pb2.FieldDescriptorProto


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="runtimetest/v1/echo.proto", package="runtimetest.v1", syntax="proto3"
    )
    file.dependency.append("buf/validate/validate.proto")
    request = file.message_type.add(name="EchoRequest")
    request.field.add(name="platform", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    text = request.field.add(name="text", number=2, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    text.options.Extensions[validate_pb2.field].string.max_len = 20
    request.field.add(name="number", number=3, type=_FIELD.TYPE_INT32, label=_FIELD.LABEL_OPTIONAL)
    children = request.field.add(
        name="children", number=4, type=_FIELD.TYPE_MESSAGE, label=_FIELD.LABEL_REPEATED
    )
    children.type_name = ".runtimetest.v1.EchoRequest"
    plain = file.message_type.add(name="PlainRequest")
    plain.field.add(name="platform", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    response = file.message_type.add(name="EchoResponse")
    response.field.add(name="text", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    response.field.add(name="number", number=2, type=_FIELD.TYPE_INT32, label=_FIELD.LABEL_OPTIONAL)
    service = file.service.add(name="EchoService")
    for name, reads_many, writes_many, kind in (
        ("Say", False, False, "EchoRequest"),
        ("Count", False, True, "EchoRequest"),
        ("Sum", True, False, "EchoRequest"),
        ("Chat", True, True, "EchoRequest"),
        ("Plain", False, False, "PlainRequest"),
    ):
        service.method.add(
            name=name,
            input_type=f".runtimetest.v1.{kind}",
            output_type=".runtimetest.v1.EchoResponse",
            client_streaming=reads_many,
            server_streaming=writes_many,
        )
    return file


_POOL = descriptor_pool.Default()
_POOL.Add(_file())
CONTRACT = [_POOL.FindServiceByName(NAME)]
EchoRequest: Any = GetMessageClass(_POOL.FindMessageTypeByName("runtimetest.v1.EchoRequest"))
EchoResponse: Any = GetMessageClass(_POOL.FindMessageTypeByName("runtimetest.v1.EchoResponse"))
PlainRequest: Any = GetMessageClass(_POOL.FindMessageTypeByName("runtimetest.v1.PlainRequest"))

TABLE = (
    MethodAccess(f"/{NAME}/Say", Scope.PLATFORM, Role.VIEWER, deadline_seconds=2.0, request_bytes=100_000),
    MethodAccess(f"/{NAME}/Count", Scope.MESH, Role.VIEWER, deadline_seconds=2.0),
    MethodAccess(f"/{NAME}/Sum", Scope.PLATFORM, Role.EDITOR, deadline_seconds=2.0),
    MethodAccess(f"/{NAME}/Chat", Scope.SELF, deadline_seconds=2.0),
    MethodAccess(f"/{NAME}/Plain", Scope.PLATFORM_OR_MESH, Role.VIEWER, deadline_seconds=2.0),
)

Say = Callable[[Any], Awaitable[Any]]


async def echo(request: Any) -> Any:
    return EchoResponse(text=request.text, number=request.number)


class Echo:
    """The handlers; `say` is what each does with a request and may be replaced by a test."""

    def __init__(self, say: Say = echo) -> None:
        self.say = say
        self.running = 0
        self.most_running = 0
        self.cancelled = 0
        self.seen_caller: Any = None

    async def one(self, request: Any) -> Any:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if current_call().method.rsplit("/", 1)[1] != "Open":
                self.seen_caller = current_caller()
            return await self.say(request)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    async def unary(self, request: Any, _context: Any) -> Any:
        return await self.one(request)

    async def count(self, request: Any, _context: Any) -> AsyncIterator[Any]:
        for number in range(max(1, request.number)):
            answer = await self.one(request)
            yield EchoResponse(text=answer.text, number=number)

    async def sum(self, requests: AsyncIterator[Any], _context: Any) -> Any:
        total = 0
        async for request in requests:
            total += (await self.one(request)).number
        return EchoResponse(number=total)

    async def chat(self, requests: AsyncIterator[Any], _context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield await self.one(request)

    def service(self) -> Service:
        parts = {
            "request_deserializer": EchoRequest.FromString,
            "response_serializer": EchoResponse.SerializeToString,
        }
        plain = parts | {"request_deserializer": PlainRequest.FromString}
        handlers = {
            "Say": grpc.unary_unary_rpc_method_handler(self.unary, **parts),
            "Count": grpc.unary_stream_rpc_method_handler(self.count, **parts),
            "Sum": grpc.stream_unary_rpc_method_handler(self.sum, **parts),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat, **parts),
            "Plain": grpc.unary_unary_rpc_method_handler(self.plain, **plain),
        }
        handler = grpc.method_handlers_generic_handler(NAME, handlers)
        return Service("echo", lambda server: server.add_generic_rpc_handlers((handler,)), (NAME,))

    async def plain(self, _request: Any, _context: Any) -> Any:
        return EchoResponse(text=current_caller().platform or "the mesh")


class Raw:
    """A client that sends and receives bytes or messages by any of the four kinds."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Any) -> None:
        self.channel = channel
        self.metadata = metadata

    async def call(
        self, method: str, *requests: Any, timeout: float | None = 10, metadata: Any = None
    ) -> list[Any]:
        """All answers of `method`, sent as the kind its name has; bytes are sent as they are."""
        path = method if method.startswith("/") else f"/{NAME}/{method}"
        more = {"timeout": timeout, "metadata": self.metadata if metadata is None else metadata}
        parts = (
            lambda sent: sent if isinstance(sent, bytes) else sent.SerializeToString(),
            EchoResponse.FromString,
        )
        kind = path.rsplit("/", 1)[1]

        async def stream() -> AsyncIterator[Any]:
            for request in requests:
                yield request

        if kind == "Count":
            return [item async for item in self.channel.unary_stream(path, *parts)(requests[0], **more)]
        if kind == "Sum":
            return [await self.channel.stream_unary(path, *parts)(stream(), **more)]
        if kind == "Chat":
            return [item async for item in self.channel.stream_stream(path, *parts)(stream(), **more)]
        return [await self.channel.unary_unary(path, *parts)(requests[0], **more)]
