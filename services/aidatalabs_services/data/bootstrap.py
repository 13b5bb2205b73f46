"""Builds the data service: warehouse, domain, servicer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import grpc

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.data_metrics import (
    IngestMeter,
    measure_engines,
    measure_queries,
    measure_rollups,
    measure_storage,
)
from aidatalabs_services.data.adapters.measured_warehouse import MeasuredWarehouse
from aidatalabs_services.data.adapters.servers import ClusterServers, EmbeddedServers, Server, Servers
from aidatalabs_services.data.admission import Admission
from aidatalabs_services.data.backups.backups import BackupLimits
from aidatalabs_services.data.backups.recovery import Recovery
from aidatalabs_services.data.budgets import RowBudget
from aidatalabs_services.data.catalog import Catalogue
from aidatalabs_services.data.doubts import Doubts
from aidatalabs_services.data.engine.limits import EngineLimits
from aidatalabs_services.data.engine.pool import EnginePool
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest import Ingestor
from aidatalabs_services.data.ingest_parts import ingest_calls, ingestor, letters
from aidatalabs_services.data.layouts.copies import CopyLimits
from aidatalabs_services.data.layouts.layouts import DerivedCopies, LayoutLimits, Layouts
from aidatalabs_services.data.layouts.scratches import Scratches
from aidatalabs_services.data.platform_grace import PlatformGrace
from aidatalabs_services.data.ports import DerivedTables, Warehouse
from aidatalabs_services.data.queries import Queries
from aidatalabs_services.data.query_parts import exports, queries, query_limits
from aidatalabs_services.data.removal import PlatformRemoval
from aidatalabs_services.data.retention import Retention
from aidatalabs_services.data.rollups.builds import Builder
from aidatalabs_services.data.rollups.derived import DerivedRollups
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.data.servicer import DataServicer
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.data.tables import Tables
from aidatalabs_services.data.type_fences import TypeFences
from aidatalabs_services.data.typed_paths.changes import TypedPaths
from aidatalabs_services.data.versions import DataVersions
from aidatalabs_services.runtime.metrics import Metrics
from aidatalabs_services.runtime.roles import RoleDirectory
from aidatalabs_services.runtime.server import Service
from aidatalabs_services.runtime.tokens import TokenVerifier

# Statements of an engine beside its platform's queries: 4 inserts, 2 profiles, the others on system tables.
_OWN_STATEMENTS = 10
FULL_NAME = pb.DESCRIPTOR.services_by_name["DataService"].full_name


class _Parts:
    """What the service is made of; tables are held and journals read before the first call comes."""

    def __init__(
        self, settings: DataSettings, store: MeasuredWarehouse, doubts: Doubts, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._store = store
        self._letters = letters(settings, store)
        self._schemas = SchemaCache(self._letters.read_schema, ttl_seconds=settings.schema_cache_seconds)
        self._budget = RowBudget(settings.query_budget_rows, settings.directory / "budget.json")
        # A cluster is written to by others too; an embedded engine only from here.
        versions = DataVersions(store.fingerprints, None if settings.clickhouse_host else store.writes)
        self._holds = TableHolds()
        self._fences = TypeFences()
        self._doubts = doubts
        self._ingestor = ingestor(
            settings,
            store,
            self._schemas,
            self._holds,
            self._fences,
            metrics,
            letters=self._letters.keeping,
        )
        self._rollups = self._rolled_up()
        measure_rollups(metrics, self._rollups.followers)
        self._queries = queries(
            settings, store, self._schemas, versions, self._budget, self._rollups, metrics
        )
        self._layouts = self._laid_out()
        derived: list[DerivedTables] = [DerivedRollups(self._rollups), DerivedCopies(self._layouts)]
        self._retention = _retention(
            settings, store, self._schemas, self._ingestor, self._holds, doubts, self._queries, derived
        )
        self._typed_paths = self._paths()
        self._catalogue = Catalogue(
            store,
            self._schemas,
            versions,
            query_limits(settings),
            sample_rows=settings.profile_sample_rows,
            seconds=settings.profile_seconds,
        )
        self._meter = IngestMeter(metrics, self._ingestor)
        self._removal = self._removed()
        self._grace = PlatformGrace(self._removal.remove, settings.directory / "removals")
        self._tables = Tables(
            store,
            self._schemas,
            fsync=settings.fsync_engine,
            holds=self._holds,
            dropped=self._retention.dropped,
            rollups=self._rollups,
            letters=self._letters.table,
        )
        self._recovery = self._recovered()

    def _rolled_up(self) -> Rollups:
        """Roll-ups, begun only over tables none of whose blocks is in doubt."""
        settings = self._settings
        return Rollups(
            self._store,
            self._schemas,
            self._holds,
            fsync=settings.fsync_engine,
            builder=Builder(
                self._store,
                self._holds,
                fsync=settings.fsync_engine,
                doubts=self._doubts,
                drained=self._drained_unless_held,
            ),
            standard=settings.standard_rollups,
            is_held=self._holds.is_deleting,
            writes=self._store.writes,
            # On a server of its own others write too, and other replicas would follow as well.
            may_follow=not settings.clickhouse_host,
            follow_seconds=settings.rollup_follow_seconds,
        )

    def _laid_out(self) -> Layouts:
        """Layouts, measured on small copies."""
        settings = self._settings
        copies = CopyLimits(
            settings.layout_sample_rows, settings.layout_sample_bytes, settings.query_memory_bytes
        )
        return Layouts(
            self._store,
            Admission(self._schemas, self._store.database_of),
            self._budget,
            Scratches(self._store, settings.directory / "scratches"),
            query_limits(settings),
            LayoutLimits(settings.layout_count, settings.layout_seconds, settings.journal_free_bytes, copies),
        )

    def _removed(self) -> PlatformRemoval:
        """What a platform's end takes with it."""
        return PlatformRemoval(
            self._store,
            self._ingestor.remove,
            *(
                each.forget
                for each in (
                    self._schemas,
                    self._catalogue,
                    self._budget,
                    self._rollups,
                    self._doubts,
                )
            ),
            self._letters.forget,
            ends=[
                self._layouts.remove,
                self._retention.remove,
                self._queries.forget,
                lambda uid: self._recovery.remove(uid),
            ],
        )

    def _paths(self) -> TypedPaths:
        """Typed paths; a look at every row of a table may take longer than a query."""
        return TypedPaths(
            self._store,
            self._schemas,
            replace(query_limits(self._settings), max_seconds=self._settings.typed_paths_seconds),
            self._fences,
            self._holds,
            self._rollups,
            settle=self._ingestor.settled,
            forget_results=self._queries.forget,
            sample_rows=self._settings.profile_sample_rows,
        )

    async def _drained_unless_held(self, uid: str, table: str) -> None:
        """Of a table that a deletion holds nothing goes on, and nothing was in doubt when it was held."""
        # Of what lies in Kafka this process may not have heard.
        waits = bool(self._settings.kafka_bootstrap_servers) or self._ingestor.waiting_groups(uid)
        if waits and not self._holds.is_deleting(uid, table):
            await self._ingestor.drained(uid, table)

    def servicer(self) -> DataServicer:
        """The service's methods over the parts."""
        replays = self._letters.replays(
            self._schemas, self._ingestor, self._holds, query_limits(self._settings)
        )
        return DataServicer(
            self._tables,
            self._queries,
            exports(self._settings, self._store, self._queries),
            self._catalogue,
            self._rollups,
            ingest_calls(self._settings, self._ingestor, self._meter, replays),
            self._retention.deletions,
            self._recovery,
            self._removal,
            self._grace,
            self._typed_paths,
            self._layouts,
            answer_bytes=self._settings.query_result_bytes,
        )

    def _recovered(self) -> Recovery:
        """Backups and restores over the parts that are there."""
        settings = self._settings
        return Recovery(
            self._store,
            self._schemas,
            self._holds,
            self._rollups,
            settings.directory,
            settings.backup_directory or settings.directory / "backups",
            BackupLimits(settings.backup_count, settings.journal_free_bytes, settings.query_memory_bytes),
            fsync=settings.fsync_engine,
            embedded=not settings.clickhouse_host,
            doubts=self._doubts,
            drain=self._ingestor.drained,
            provision=self._tables.provision,
            remove=self._removal.remove,
            forget=self._queries.forget,
            delete_again=self._retention.deletions.repeat_after,
        )

    async def start(self) -> None:
        """Goes on with what was under way."""
        await self._budget.start()
        await self._recovery.hold_unfinished()
        await self._retention.start()
        await self._recovery.resume()
        await self._grace.start()
        await self._layouts.start()

    async def close(self) -> None:
        """Ends what works, the warehouse last."""
        works = (
            self._layouts,
            self._grace,
            self._recovery,
            self._typed_paths,
            self._retention,
            self._ingestor,
            self._queries,
            self._rollups,
            self._budget,
        )
        for part in (*works, self._store):
            await part.close()


def bootstrap(
    settings: DataSettings,
    *,
    warehouse: Warehouse | None = None,
    roles: RoleDirectory | None = None,
    verifier: TokenVerifier | None = None,
) -> Service:
    """The service, ready to `run`. Tests pass a warehouse, roles or a verifier of their own."""
    metrics = Metrics()
    doubts = Doubts()
    inner = warehouse or ClickHouseWarehouse(_servers(settings, metrics))
    store = MeasuredWarehouse(inner, metrics, doubts)
    parts = _Parts(settings, store, doubts, metrics)
    servicer = parts.servicer()
    measure_queries(metrics)

    def register(server: grpc.aio.Server) -> None:
        pb_grpc.add_DataServiceServicer_to_server(servicer, server)

    return Service(
        name="data",
        register=register,
        full_names=(FULL_NAME,),
        start=parts.start,
        close=parts.close,
        roles=roles,
        verifier=verifier,
        metrics=metrics,
    )


def _retention(
    settings: DataSettings,
    store: Warehouse,
    schemas: SchemaCache,
    ingestor: Ingestor,
    holds: TableHolds,
    doubts: Doubts,
    queries: Queries,
    derived: Sequence[DerivedTables],
) -> Retention:
    return Retention(
        store,
        schemas,
        ingestor,
        holds,
        settings.directory,
        query_limits(settings),
        drop_grace_hours=settings.drop_grace_hours,
        forget_results=queries.forget,
        derived=derived,
        doubts=doubts,
    )


def _servers(settings: DataSettings, metrics: Metrics) -> Servers:
    if settings.clickhouse_host:
        server = Server(
            settings.clickhouse_host,
            settings.clickhouse_port,
            settings.clickhouse_password.get_secret_value(),
            settings.clickhouse_user,
            settings.clickhouse_tls,
        )
        return ClusterServers(server, database_prefix=settings.clickhouse_database_prefix)
    pool = engine_pool(settings)
    measure_engines(metrics, pool, settings.engine_count)
    measure_storage(metrics, settings.directory / "engines", settings.directory / "journal")
    return EmbeddedServers(pool)


def engine_pool(settings: DataSettings) -> EnginePool:
    """The embedded engines, bounded as the settings say."""
    limits = EngineLimits(
        max_query_memory_bytes=settings.query_memory_bytes,
        max_server_memory_bytes=settings.engine_memory_bytes,
        max_result_bytes=max(settings.query_result_bytes, settings.stream_result_bytes),
        max_running_queries=settings.query_count + _OWN_STATEMENTS,
    )
    return EnginePool(
        settings.directory / "engines",
        limits,
        max_engines=settings.engine_count,
        idle_seconds=settings.engine_idle_seconds,
        hung_seconds=settings.engine_hung_seconds,
        wait_seconds=settings.engine_wait_seconds,
    )
