"""A gRPC server that answers every call with the same bytes: what grpc.aio itself reaches on this machine.

python -m benchmarks.bare_server ADDRESS HEX_OF_ANSWER     # until its stdin closes
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc


class _SameAnswer(grpc.GenericRpcHandler):
    """One handler for all methods."""

    def __init__(self, answer: bytes) -> None:
        async def behaviour(_request: bytes, _context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            return answer

        self._handler: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(behaviour)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """The handler, whatever the method."""
        return self._handler


async def serve(address: str, answer: bytes) -> None:
    """Serves until stdin closes; prints a line when it is ready."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_SameAnswer(answer),))
    server.add_insecure_port(address)
    await server.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


@contextlib.asynccontextmanager
async def running_bare_server(address: str, answer: bytes) -> AsyncIterator[None]:
    """The server in a process of its own while the block runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.bare_server", address, answer.hex()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        if not await process.stdout.readline():
            raise RuntimeError("the bare server did not start")
        yield
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], bytes.fromhex(sys.argv[2])))
