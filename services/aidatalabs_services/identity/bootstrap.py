"""Wires the identity service: users in PostgreSQL, keys in a directory, public keys over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import grpc

from aidatalabs.identity.v1 import identity_service_pb2_grpc as pb_grpc
from aidatalabs_services.identity.adapters.jwks_http import JwksServer
from aidatalabs_services.identity.adapters.key_directory import KeyDirectory
from aidatalabs_services.identity.adapters.own_roles import OwnRoles
from aidatalabs_services.identity.adapters.postgres_users import PostgresUserStore
from aidatalabs_services.identity.directory import UserDirectory
from aidatalabs_services.identity.ports import KeyStore, UserStore
from aidatalabs_services.identity.servicer import IdentityServicer
from aidatalabs_services.identity.settings import IdentitySettings
from aidatalabs_services.runtime.migrations import migrate
from aidatalabs_services.runtime.postgres import Database, open_database
from aidatalabs_services.runtime.server import Service
from aidatalabs_services.runtime.tokens import TokenVerifier

SCHEMA = "identity"
MIGRATIONS = "aidatalabs_services.identity.migrations"


async def bootstrap(
    settings: IdentitySettings, *, store: UserStore | None = None, keys: KeyStore | None = None
) -> Service:
    """The identity service. Without a `store` it keeps users in PostgreSQL and brings the schema up to date.

    Its own tokens are checked with the keys as they are kept; nothing is fetched. Raises KeyDirectoryUnsafe.
    """
    held_keys = keys or KeyDirectory(settings.key_directory, lambda: datetime.now(UTC))
    await asyncio.to_thread(held_keys.load)  # makes the first key; a directory open to others stops the start
    database: Database | None = None
    if store is None:
        database = await open_database(
            settings.postgres_url, SCHEMA, most_connections=settings.postgres_connections
        )
        store = PostgresUserStore(database)
    users = UserDirectory(store)
    jwks = JwksServer(held_keys, settings.http_address)

    async def key_source() -> Mapping[str, Any]:
        return (await asyncio.to_thread(held_keys.load)).jwks()

    async def start() -> None:
        if database is not None:
            await migrate(settings.postgres_url, SCHEMA, MIGRATIONS)
        await jwks.start()

    async def close() -> None:
        await jwks.close()
        if database is not None:
            await database.close()

    def register(server: grpc.aio.Server) -> None:
        pb_grpc.add_IdentityServiceServicer_to_server(IdentityServicer(users), server)

    return Service(
        name="identity",
        register=register,
        full_names=("aidatalabs.identity.v1.IdentityService",),
        start=start,
        close=close,
        roles=OwnRoles(users),
        verifier=TokenVerifier(key_source),
    )
