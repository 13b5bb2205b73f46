"""An agent service in a process of its own that dies after its second event: `dying_agent.py SOCKET`."""

from __future__ import annotations

import asyncio
import os
import sys

import grpc

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs.agent.v1 import agent_service_pb2_grpc as pb_grpc


class DyingAgentService(pb_grpc.AgentServiceServicer):
    """Exits as `kill -9` would end it: nothing is closed, nobody is told."""

    async def StreamAnswer(self, request, context):  # type: ignore[no-untyped-def]
        for event in ("understood", "sql"):
            yield pb.StreamAnswerResponse(event=event)
            await asyncio.sleep(0.2)
        os._exit(9)


async def main() -> None:
    """Serves until the first call has killed it, at most a minute."""
    server = grpc.aio.server()
    pb_grpc.add_AgentServiceServicer_to_server(DyingAgentService(), server)  # type: ignore[abstract]
    server.add_insecure_port(f"unix:{sys.argv[1]}")
    await server.start()
    await asyncio.wait_for(server.wait_for_termination(), 60)


asyncio.run(main())
