"""An edge that starts while identity is down cannot judge tokens: it says so, and never that one is wrong."""

from __future__ import annotations

from pathlib import Path

import aiohttp
from joserfc import jwk

from aidatalabs_services.mesh.edge import write_edge_config

from .refusals import refused
from .upstream import Edge, Seen, edge_config, free_port, running_envoy

QUERY = "/aidatalabs.data.v1.DataService/Query"


async def test_an_edge_without_keys_says_try_again(tmp_path: Path) -> None:
    key = jwk.ECKey.generate_key("P-256", parameters={"alg": "ES256", "use": "sig", "kid": "test"})
    edge = Edge(free_port(), Seen(), key, tmp_path)
    write_edge_config(edge_config(tmp_path, edge.port), tmp_path / "envoy.yaml")
    async with running_envoy(edge), aiohttp.ClientSession() as client:
        status, info = await refused(edge.port, QUERY, list(edge.bearer().items()))
        assert (status.code, info.reason) == (14, "SERVICE_UNAVAILABLE")
        assert len(status.details) == 2  # the second says when to try again
        query = f"{edge.url}/api/v1/data/query?sql=x&platform=platforms/demo"
        async with client.get(query, headers=edge.bearer()) as answer:
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert (await answer.json())["details"][0]["reason"] == "SERVICE_UNAVAILABLE"
        async with client.get(query) as answer:
            assert (answer.status, (await answer.json())["details"][0]["reason"]) == (401, "TOKEN_MISSING")
