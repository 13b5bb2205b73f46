"""A call that ends early leaves no statement running in PostgreSQL, whichever way it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.postgres import Database, open_database
from aidatalabs_services.runtime.testing import ALICE, StaticRoles, TokenMint, running, running_postgres
from tests.rpc.runtime.echo_service import CONTRACT, TABLE, Echo, EchoRequest, EchoResponse, Raw

ROLES = StaticRoles(platforms={("platforms/demo", ALICE): Role.EDITOR})
MINT = TokenMint()
REQUEST = EchoRequest(platform="platforms/demo")
ACTIVE = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND state <> 'idle' "
    "AND pid <> pg_backend_pid()"
)
Ending = Callable[[Raw], Awaitable[None]]


async def cancelled_by_the_client(client: Raw) -> None:
    task = asyncio.create_task(client.call("Say", REQUEST))
    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def over_the_clients_deadline(client: Raw) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.call("Say", REQUEST, timeout=0.5)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def over_the_methods_deadline(client: Raw) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.call("Say", REQUEST, timeout=None)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def cut_with_its_connection(client: Raw) -> None:
    task = asyncio.create_task(client.call("Say", REQUEST))
    await asyncio.sleep(0.5)
    await client.channel.close()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def sleeping_service(database: Database, *, in_transaction: bool) -> AsyncIterator[Raw]:
    lend = database.transaction if in_transaction else database.connection

    async def say(_request: Any) -> Any:
        async with lend() as connection:
            await connection.execute("SELECT pg_sleep(30)")
        return EchoResponse()

    parts: dict[str, Any] = {"mint": MINT, "roles": ROLES, "table": TABLE, "contract": CONTRACT}
    async with running(Echo(say).service(), **parts) as channel:
        yield Raw(channel, MINT.metadata())


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_call_that_ends_early_leaves_no_statement_and_its_connection_works(
    in_transaction: bool,
) -> None:
    async with running_postgres() as url:
        database, looking = (
            await open_database(url, "public", most_connections=1),
            await open_database(url, "public"),
        )
        for end in (
            cancelled_by_the_client,
            over_the_clients_deadline,
            over_the_methods_deadline,
            cut_with_its_connection,
        ):
            async with sleeping_service(database, in_transaction=in_transaction) as client:
                async with looking.connection() as look:
                    ended = asyncio.create_task(asyncio.wait_for(end(client), 10))
                    async with asyncio.timeout(3):
                        while await look.fetchval(ACTIVE) != 1:
                            await asyncio.sleep(0.02)
                    await ended
                    async with asyncio.timeout(1):
                        while await look.fetchval(ACTIVE) != 0:
                            await asyncio.sleep(0.02)
                async with database.connection() as connection:  # the pool's only one
                    assert await connection.fetchval("SELECT 1") == 1
        await database.close()
        await looking.close()
