"""Wires the platform service: platforms in PostgreSQL, mesh roles from identity, databases made by data."""

from __future__ import annotations

import grpc

from aidatalabs.common.v1 import access_service_pb2_grpc as access_pb_grpc
from aidatalabs.platform.v1 import platform_service_pb2_grpc as pb_grpc
from aidatalabs_services.platform.access import AccessBook
from aidatalabs_services.platform.adapters.agent_client import METHODS, AgentPlatformRecords
from aidatalabs_services.platform.adapters.data_client import DataPlatformDatabases
from aidatalabs_services.platform.adapters.identity_client import IdentityMeshRoles, IdentityUsers
from aidatalabs_services.platform.adapters.own_roles import OwnRoles
from aidatalabs_services.platform.adapters.postgres_platforms import PostgresPlatformStore
from aidatalabs_services.platform.creation import PlatformCreation
from aidatalabs_services.platform.deletion import PlatformDeletion
from aidatalabs_services.platform.ports import MeshRoles, PlatformDatabases, PlatformStore, Users
from aidatalabs_services.platform.servicer import AccessServicer, PlatformServicer
from aidatalabs_services.platform.settings import PlatformSettings
from aidatalabs_services.platform.undeletion import PlatformPurges, PlatformUndeletion
from aidatalabs_services.platform.updates import PlatformUpdates
from aidatalabs_services.platform.workspaces import Workspaces
from aidatalabs_services.runtime.channels import open_channel
from aidatalabs_services.runtime.metrics import Metrics
from aidatalabs_services.runtime.metrics_windows import SeenLastHour
from aidatalabs_services.runtime.migrations import migrate
from aidatalabs_services.runtime.postgres import Database, open_database
from aidatalabs_services.runtime.server import Service

SCHEMA = "platform"
MIGRATIONS = "aidatalabs_services.platform.migrations"

# They may be repeated while the peer starts: two read, one makes what is missing, one removes what is there.
_GET_CURRENT_USER = "/aidatalabs.identity.v1.IdentityService/GetCurrentUser"
_RESOLVE_USERS = "/aidatalabs.identity.v1.IdentityService/ResolveUsers"
_PROVISION_PLATFORM = "/aidatalabs.data.v1.DataService/ProvisionPlatform"
_DEPROVISION_PLATFORM = "/aidatalabs.data.v1.DataService/DeprovisionPlatform"


async def bootstrap(
    settings: PlatformSettings,
    *,
    store: PlatformStore | None = None,
    mesh_roles: MeshRoles | None = None,
    databases: PlatformDatabases | None = None,
    users: Users | None = None,
) -> Service:
    """The platform service, PlatformService and AccessService in one.

    Without a `store` it keeps platforms in PostgreSQL and brings the schema up to date. Call it inside the
    loop that will serve: its channels to the peers belong to that loop.
    """
    database: Database | None = None
    metrics = _metrics()
    if store is None:
        database = await open_database(
            settings.postgres_url, SCHEMA, most_connections=settings.postgres_connections
        )
        database.measure(metrics)
        store = PostgresPlatformStore(database)
    identity, data, agent = _peers(settings)
    records = AgentPlatformRecords(agent) if agent is not None else None
    access = AccessBook(store, mesh_roles or IdentityMeshRoles(identity))
    databases = databases or DataPlatformDatabases(data)
    creation = PlatformCreation(store, databases, rest_seconds=settings.id_rest_seconds)
    grace_seconds = settings.delete_grace_hours * 3600
    deletion = PlatformDeletion(store, databases, records, grace_seconds=grace_seconds)
    undeletion = PlatformUndeletion(store, databases, records)
    purges = PlatformPurges(store)
    workspaces = Workspaces(store, access, deletion, users or IdentityUsers(identity))
    servicer = PlatformServicer(creation, PlatformUpdates(store), deletion, undeletion, workspaces)

    async def start() -> None:
        if database is not None:
            await migrate(settings.postgres_url, SCHEMA, MIGRATIONS)
        purges.start()

    async def close() -> None:
        await purges.close()
        await deletion.close()
        for channel in (identity, data, agent):
            if channel is not None:
                await channel.close()
        if database is not None:
            await database.close()

    def register(server: grpc.aio.Server) -> None:
        pb_grpc.add_PlatformServiceServicer_to_server(servicer, server)
        access_pb_grpc.add_AccessServiceServicer_to_server(AccessServicer(access), server)

    return Service(
        name="platform",
        register=register,
        full_names=("aidatalabs.platform.v1.PlatformService", "aidatalabs.common.v1.AccessService"),
        start=start,
        close=close,
        roles=OwnRoles(access),
        metrics=metrics,
    )


def _peers(
    settings: PlatformSettings,
) -> tuple[grpc.aio.Channel, grpc.aio.Channel, grpc.aio.Channel | None]:
    """The channels to identity, data and, where there is one, the agent service."""
    identity = open_channel(
        settings.identity_address,
        service="identity",
        tls=settings.tls,
        idempotent=[_GET_CURRENT_USER, _RESOLVE_USERS],
    )
    data = open_channel(
        settings.data_address,
        service="data",
        tls=settings.tls,
        idempotent=[_PROVISION_PLATFORM, _DEPROVISION_PLATFORM],
    )
    agent = None
    if settings.agent_address:
        agent = open_channel(
            settings.agent_address, service="agent", tls=settings.tls, idempotent=list(METHODS)
        )
    return identity, data, agent


def _metrics() -> Metrics:
    """With `platform_active_users`: this service is asked about every caller of the others, too."""
    metrics, seen = Metrics(), SeenLastHour()
    metrics.observers.append(lambda outcome: seen.add(outcome.user) if outcome.user else None)
    metrics.reading(
        "platform_active_users", "Different users who called in the last hour, all platforms.", seen.count
    )
    return metrics
