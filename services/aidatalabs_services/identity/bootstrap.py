"""Wires the identity service: users and sessions in PostgreSQL, keys in a directory, HTTP beside gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from aidatalabs.identity.v1 import identity_service_pb2_grpc as pb_grpc
from aidatalabs_services.identity.adapters.http_server import HttpServer
from aidatalabs_services.identity.adapters.jwks_http import JwksEndpoint
from aidatalabs_services.identity.adapters.key_directory import KeyDirectory
from aidatalabs_services.identity.adapters.own_roles import OwnRoles
from aidatalabs_services.identity.adapters.postgres_rotations import PostgresRotationStore
from aidatalabs_services.identity.adapters.postgres_sessions import PostgresSessionStore
from aidatalabs_services.identity.adapters.postgres_users import PostgresUserStore
from aidatalabs_services.identity.adapters.reference_http import ReferencePages
from aidatalabs_services.identity.adapters.session_http import SessionEndpoints
from aidatalabs_services.identity.directory import UserDirectory
from aidatalabs_services.identity.errors import KeyDirectoryUnsafe
from aidatalabs_services.identity.ports import KeyStore, RotationStore, SessionStore, UserStore
from aidatalabs_services.identity.rotation import KeyRotation
from aidatalabs_services.identity.servicer import IdentityServicer
from aidatalabs_services.identity.sessions import SessionLimits, Sessions
from aidatalabs_services.identity.settings import IdentitySettings
from aidatalabs_services.runtime.metrics import Metrics
from aidatalabs_services.runtime.migrations import migrate
from aidatalabs_services.runtime.postgres import Database, open_database
from aidatalabs_services.runtime.server import Service
from aidatalabs_services.runtime.tokens import TokenVerifier

SCHEMA = "identity"
MIGRATIONS = "aidatalabs_services.identity.migrations"


@dataclass(frozen=True)
class Stores:
    """Where users, sessions and requests to rotate are kept."""

    users: UserStore
    sessions: SessionStore
    rotations: RotationStore


async def bootstrap(
    settings: IdentitySettings, *, stores: Stores | None = None, keys: KeyStore | None = None
) -> Service:
    """The identity service. Without `stores` it keeps all in PostgreSQL and brings the schema up to date.

    Its own tokens are checked with the keys as they are kept; nothing is fetched. Raises KeyDirectoryUnsafe.
    """
    held_keys = keys or KeyDirectory(settings.key_directory, _now)
    await asyncio.to_thread(
        held_keys.load
    )  # makes the first keys; a directory open to others stops the start
    database: Database | None = None
    metrics = Metrics()
    if stores is None:
        database = await open_database(
            settings.postgres_url, SCHEMA, most_connections=settings.postgres_connections
        )
        database.measure(metrics)
        stores = postgres_stores(database)
    users = UserDirectory(stores.users)
    http = _http_server(settings, stores, held_keys)

    async def key_source() -> Mapping[str, Any]:
        try:
            return (await asyncio.to_thread(held_keys.load)).jwks()
        except KeyDirectoryUnsafe as error:
            raise OSError(str(error)) from error  # the verifier keeps the keys it has

    async def start() -> None:
        if database is not None:
            await migrate(settings.postgres_url, SCHEMA, MIGRATIONS)
        await http.start()

    async def close() -> None:
        await http.close()
        if database is not None:
            await database.close()

    def register(server: grpc.aio.Server) -> None:
        servicer = IdentityServicer(users, KeyRotation(held_keys, stores.rotations))
        pb_grpc.add_IdentityServiceServicer_to_server(servicer, server)

    return Service(
        name="identity",
        register=register,
        full_names=("aidatalabs.identity.v1.IdentityService",),
        start=start,
        close=close,
        roles=OwnRoles(users),
        verifier=TokenVerifier(key_source),
        metrics=metrics,
    )


def postgres_stores(database: Database) -> Stores:
    """The stores in one database."""
    return Stores(
        PostgresUserStore(database), PostgresSessionStore(database), PostgresRotationStore(database)
    )


def _http_server(settings: IdentitySettings, stores: Stores, keys: KeyStore) -> HttpServer:
    limits = SessionLimits(
        timedelta(seconds=settings.session_idle_seconds), timedelta(seconds=settings.session_longest_seconds)
    )
    sessions = SessionEndpoints(Sessions(stores.sessions, limits), keys, settings.edge_port, _now)
    routes = [*JwksEndpoint(keys).routes(), *sessions.routes(), *ReferencePages().routes()]
    return HttpServer(settings.http_address, routes)


def _now() -> datetime:
    return datetime.now(UTC)
