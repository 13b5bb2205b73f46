"""Where each platform's ClickHouse is: engines of this machine, or one database per platform in a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import clickhouse_connect
from clickhouse_connect.driver.asyncclient import AsyncClient

from aidatalabs_services.data.engine.pool import EnginePool
from aidatalabs_services.data.engine.storage import READER

_CONNECTIONS = 64


@dataclass(frozen=True)
class Server:
    """One ClickHouse HTTP server and who we are there."""

    host: str
    port: int
    password: str = field(repr=False)
    user: str = "default"
    secure: bool = False
    reader_role: str = ""
    """The role that people's queries run as, empty where there is none."""


class Servers(Protocol):
    """Hands out servers by platform uid."""

    def database_of(self, uid: str) -> str:
        """Name of the platform's database."""
        ...

    def lease(self, uid: str) -> AbstractAsyncContextManager[Server]:
        """The platform's server, kept running while the block runs."""
        ...

    async def remove(self, uid: str) -> bool:
        """Removes the platform's own server with its data; False where there is only a database to drop."""
        ...

    async def close(self) -> None:
        """Stops what this object started."""
        ...


class EmbeddedServers:
    """One engine process per platform on this machine; the database inside is always `analytics`."""

    def __init__(self, pool: EnginePool) -> None:
        self._pool = pool

    def database_of(self, uid: str) -> str:
        """See Servers."""
        return "analytics"

    @asynccontextmanager
    async def lease(self, uid: str) -> AsyncIterator[Server]:
        """See Servers."""
        async with self._pool.lease(uid) as address:
            yield Server(address.host, address.port, address.password, reader_role=READER)

    async def remove(self, uid: str) -> bool:
        """See Servers."""
        await self._pool.drop(uid)
        return True

    async def close(self) -> None:
        """See Servers."""
        await self._pool.close()


class ClusterServers:
    """A ClickHouse that somebody else runs: one address, one database per platform."""

    def __init__(self, server: Server, *, database_prefix: str) -> None:
        self._server = server
        self._database_prefix = database_prefix

    def database_of(self, uid: str) -> str:
        """The prefix and the uid without dashes, so that no name needs quoting."""
        return self._database_prefix + uid.replace("-", "")

    @asynccontextmanager
    async def lease(self, uid: str) -> AsyncIterator[Server]:
        """See Servers."""
        yield self._server

    async def remove(self, uid: str) -> bool:
        """See Servers."""
        return False

    async def close(self) -> None:
        """See Servers."""


async def connect(server: Server, database: str) -> AsyncClient:
    """A client of this database; the handshake costs more than a query, so keep it."""
    return await clickhouse_connect.get_async_client(
        host=server.host,
        port=server.port,
        username=server.user,
        password=server.password,
        database=database,
        secure=server.secure,
        compress=False,
        autogenerate_session_id=False,
        autogenerate_query_id=False,
        query_limit=0,
        query_retries=1,
        connector_limit=_CONNECTIONS,
        connector_limit_per_host=_CONNECTIONS,
        send_receive_timeout=300,
    )
