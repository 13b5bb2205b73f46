"""The agent service with PostgreSQL, over the real data service and its engine."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from google.protobuf import json_format

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs.agent.v1 import agent_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.data.v1 import data_service_pb2_grpc as data_pb_grpc
from aidatalabs.data.v1 import table_pb2
from aidatalabs_services.agent.bootstrap import bootstrap
from aidatalabs_services.agent.settings import AgentSettings
from aidatalabs_services.data import bootstrap as data_bootstrap
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import open_channel, peer_errors
from aidatalabs_services.runtime.testing import ALICE, BOB, StaticRoles, TokenMint, running_server
from tests.rpc.agent.world import STRANGER, Agent

OURS = "platforms/tenant-a"
THEIRS = "platforms/tenant-b"
CAROL = "users/00000000-0000-4000-8000-00000000000d"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ROLES = StaticRoles(
    platforms={
        (OURS, ALICE): Role.ADMIN,
        (OURS, CAROL): Role.EDITOR,
        (OURS, BOB): Role.VIEWER,
        (THEIRS, STRANGER): Role.ADMIN,
        (THEIRS, ALICE): Role.VIEWER,
    }
)
SHOPS = ("Graz", "Lyon", "Graz", "Oslo", "Graz", "Lyon")
KINDS = ("book", "book", "pen", "pen", "book", "lamp")


def sale(number: int, **changes: Any) -> dict[str, Any]:
    """One of the rows of the table `sales`."""
    row = {
        "id": number,
        "city": SHOPS[number % 6],
        "kind": KINDS[number % 6],
        "amount": number + 0.5,
        "sold_at": f"202{4 + number % 2}-0{number % 6 + 1}-15 10:00:00",
    }
    return row | changes


@dataclass
class Talk:
    """The agent and the data service beside it, called with a user's token."""

    agent: Agent
    data: Any
    mint: TokenMint
    postgres: str
    address: str = ""

    async def ask(
        self, question: str, conversation: str = "", *, platform: str = OURS, user: str = ALICE
    ) -> pb.QueryResponse:
        request = pb.QueryRequest(platform=platform, question=question, conversation=conversation)
        answer: pb.QueryResponse = await self.agent.call("Query", request, user=user)
        return answer

    async def verify(self, proof: Any, *, platform: str = OURS, user: str = ALICE) -> pb.VerifyAnswerResponse:
        request = pb.VerifyAnswerRequest(platform=platform, proof=proof)
        found: pb.VerifyAnswerResponse = await self.agent.call("VerifyAnswer", request, user=user)
        return found

    async def tell(self, method: str, request: Any, *, user: str = ALICE) -> Any:
        """A call of the data service."""
        with peer_errors("data"):
            return await getattr(self.data, method)(request, metadata=self.mint.metadata(user), timeout=20)

    async def table(
        self, name: str, columns: dict[str, str], *, platform: str = OURS, user: str = ALICE
    ) -> None:
        made = [table_pb2.Column(name=column, type=kind) for column, kind in columns.items()]
        table = table_pb2.Table(name=name, columns=made)
        await self.tell("CreateTable", data_pb.CreateTableRequest(platform=platform, table=table), user=user)

    async def fill(
        self, table: str, rows: list[dict[str, Any]], *, platform: str = OURS, user: str = ALICE
    ) -> None:
        request = data_pb.IngestRequest(platform=platform, table=table)
        for row in rows:
            request.rows.add().update(row)
        receipt = (await self.tell("Ingest", request, user=user)).receipt
        assert (receipt.accepted_count, list(receipt.rejected)) == (len(rows), [])

    async def stored(self, sql: str, *values: object) -> list[Any]:
        """Rows of the agent's schema in PostgreSQL."""
        connection = await asyncpg.connect(self.postgres, server_settings={"search_path": "agent"})
        try:
            return [tuple(row) for row in await connection.fetch(sql, *values)]
        finally:
            await connection.close()


SALES = {"id": "UInt64", "city": "String", "kind": "String", "amount": "Float64", "sold_at": "DateTime"}


@contextlib.asynccontextmanager
async def talking(postgres: str, folder: Path, **settings: Any) -> AsyncIterator[Talk]:
    """Both services with the table `sales` on each of two platforms."""
    connection = await asyncpg.connect(postgres)
    await connection.execute("DROP SCHEMA IF EXISTS agent CASCADE")
    await connection.close()
    mint = TokenMint()
    common: dict[str, Any] = {"listen_address": "127.0.0.1:0", "jwks_url": "http://127.0.0.1:9"}
    data_settings = DataSettings(**common, directory=folder)
    async with running_server(data_bootstrap.bootstrap(data_settings), mint=mint, roles=ROLES) as server:
        chosen = AgentSettings(**common, data_address=server.address, postgres_url=postgres, **settings)
        made_service = bootstrap(chosen, clock=lambda: NOW)
        async with running_server(made_service, mint=mint, roles=ROLES) as agent_server:
            channel, data_channel = open_channel(agent_server.address), open_channel(server.address)
            agent = Agent(pb_grpc.AgentServiceStub(channel), mint)
            data = data_pb_grpc.DataServiceStub(data_channel)
            made = Talk(agent, data, mint, postgres, agent_server.address)
            for platform, user in ((OURS, ALICE), (THEIRS, STRANGER)):
                await made.tell(
                    "ProvisionPlatform", data_pb.ProvisionPlatformRequest(platform=platform), user=user
                )
                await made.table("sales", SALES, platform=platform, user=user)
                count = 12 if platform == OURS else 2
                await made.fill("sales", [sale(n) for n in range(count)], platform=platform, user=user)
            yield made
            await channel.close()
            await data_channel.close()


def rows(answer: Any) -> list[Any]:
    """The rows of an answer as JSON has them."""
    return [json_format.MessageToDict(row) for row in answer.result.rows]
