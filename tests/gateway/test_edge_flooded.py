"""A call that a flooded service never took, which gRPC ends without a word, is told to come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import grpc

from .refusals import refused
from .upstream import Seen, running_edge

QUERY = "/aidatalabs.data.v1.DataService/Query"


class Flooded(grpc.GenericRpcHandler):
    """Ends every call as gRPC's server does with one that nobody took."""

    def service(self, _: Any) -> Any:
        async def end(_request: bytes, context: Any) -> None:
            await context.abort(grpc.StatusCode.CANCELLED, "")

        return grpc.unary_unary_rpc_method_handler(end)


def add_flooded(server: grpc.aio.Server, _: Seen) -> None:
    server.add_generic_rpc_handlers((Flooded(),))


async def test_a_call_that_nobody_took_is_told_to_come_back(tmp_path: Path) -> None:
    async with running_edge(tmp_path, upstreams={"data": add_flooded}) as edge:
        status, info = await refused(edge.port, QUERY, list(edge.bearer().items()))
        assert (status.code, info.reason, len(status.details)) == (8, "OVERLOADED", 2)
        query = f"{edge.url}/api/v1/data/query?sql=x&platform=platforms/demo"
        async with aiohttp.ClientSession() as client, client.get(query, headers=edge.bearer()) as answer:
            assert answer.status == 429
            assert (await answer.json())["details"][0]["reason"] == "OVERLOADED"
