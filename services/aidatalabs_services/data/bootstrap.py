"""Builds the data service: warehouse, domain, servicer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import grpc

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.data_metrics import (
    IngestMeter,
    measure_budget,
    measure_engines,
    measure_kept_results,
    measure_queries,
    measure_results,
    measure_storage,
    rows_written,
)
from aidatalabs_services.data.adapters.ingest_calls import IngestCalls
from aidatalabs_services.data.adapters.measured_warehouse import MeasuredWarehouse
from aidatalabs_services.data.adapters.memory_results import MemoryResults
from aidatalabs_services.data.adapters.servers import ClusterServers, EmbeddedServers, Server, Servers
from aidatalabs_services.data.admission import Admission
from aidatalabs_services.data.backups.backups import BackupLimits
from aidatalabs_services.data.backups.recovery import Recovery
from aidatalabs_services.data.budgets import RowBudget
from aidatalabs_services.data.catalog import Catalogue
from aidatalabs_services.data.dead_letters.letters import LetterKeeping, LetterLimits
from aidatalabs_services.data.dead_letters.parts import DeadLetters
from aidatalabs_services.data.dead_letters.replays import Replays
from aidatalabs_services.data.doubts import Doubts
from aidatalabs_services.data.engine.limits import EngineLimits
from aidatalabs_services.data.engine.pool import EnginePool
from aidatalabs_services.data.estimates import Estimates
from aidatalabs_services.data.exports import Exports
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest import IngestLimits, Ingestor
from aidatalabs_services.data.ingest_streams import IngestStreams, StreamRoom
from aidatalabs_services.data.journal import JournalLimits
from aidatalabs_services.data.kafka.carrier import Carrier
from aidatalabs_services.data.messages import result_payload
from aidatalabs_services.data.places import PlatformPlaces
from aidatalabs_services.data.platform_grace import PlatformGrace
from aidatalabs_services.data.ports import QueryLimits, ResultCache, Warehouse
from aidatalabs_services.data.queries import Queries
from aidatalabs_services.data.removal import PlatformRemoval
from aidatalabs_services.data.results import Results
from aidatalabs_services.data.retention import Retention
from aidatalabs_services.data.rollups.builds import Builder
from aidatalabs_services.data.rollups.derived import DerivedRollups
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.schema import Schema, SchemaCache
from aidatalabs_services.data.servicer import DataServicer
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.data.sink import SinkLimits
from aidatalabs_services.data.spending import Spending
from aidatalabs_services.data.spool import Spool
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
        self._letters = _letters(settings, store)
        self._schemas = SchemaCache(self._letters.read_schema, ttl_seconds=settings.schema_cache_seconds)
        self._budget = RowBudget(settings.query_budget_rows, settings.directory / "budget.json")
        # A cluster is written to by others too; an embedded engine only from here.
        versions = DataVersions(store.fingerprints, None if settings.clickhouse_host else store.writes)
        self._holds = TableHolds()
        self._fences = TypeFences()
        self._doubts = doubts
        self._ingestor = _ingestor(
            settings,
            store,
            self._schemas,
            self._holds,
            self._fences,
            metrics,
            letters=self._letters.keeping,
        )
        self._rollups = Rollups(
            store,
            self._schemas,
            self._holds,
            fsync=settings.fsync_engine,
            builder=Builder(
                store,
                self._holds,
                fsync=settings.fsync_engine,
                doubts=doubts,
                drained=self._drained_unless_held,
            ),
            standard=settings.standard_rollups,
            is_held=self._holds.is_deleting,
        )
        self._queries = _queries(
            settings, store, self._schemas, versions, self._budget, self._rollups, metrics
        )
        self._retention = _retention(
            settings, store, self._schemas, self._ingestor, self._holds, doubts, self._queries, self._rollups
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
        self._removal = PlatformRemoval(
            store,
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
            ends=[self._retention.remove, self._queries.forget, lambda uid: self._recovery.remove(uid)],
        )
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
            _exports(self._settings, self._store, self._queries),
            self._catalogue,
            self._rollups,
            _ingest_calls(self._settings, self._ingestor, self._meter, replays),
            self._retention.deletions,
            self._recovery,
            self._removal,
            self._grace,
            self._typed_paths,
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
            drain=self._ingestor.drained,
            provision=self._tables.provision,
            remove=self._removal.remove,
            forget=self._queries.forget,
        )

    async def start(self) -> None:
        """Goes on with what was under way."""
        await self._budget.start()
        await self._recovery.hold_unfinished()
        await self._retention.start()
        await self._recovery.resume()
        await self._grace.start()

    async def close(self) -> None:
        """Ends what works, the warehouse last."""
        works = (
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


def _queries(
    settings: DataSettings,
    store: Warehouse,
    schemas: SchemaCache,
    versions: DataVersions,
    budget: RowBudget,
    rollups: Rollups,
    metrics: Metrics,
) -> Queries:
    places = PlatformPlaces(
        settings.query_count, share=settings.query_share_count, wait_seconds=settings.query_wait_seconds
    )
    estimates = Estimates(store.widths)
    spending = Spending(store, budget)
    cache = _result_cache(settings, metrics)
    results = Results(store, schemas, versions, cache, spending, estimates, places, render=result_payload)
    measure_results(metrics, results.served)
    measure_budget(metrics, budget)
    return Queries(
        store,
        Admission(schemas, store.database_of),
        results,
        versions,
        spending,
        estimates,
        query_limits(settings),
        stream_limits=stream_limits(settings),
        places=places,
        stall_seconds=settings.stream_stall_seconds,
        rollups=rollups,
    )


def _result_cache(settings: DataSettings, metrics: Metrics) -> ResultCache:
    """Redis where it is configured, else memory."""
    url = settings.cache_url.get_secret_value()
    if not url:
        kept = MemoryResults(settings.cache_bytes, settings.cache_entry_bytes)
        measure_kept_results(metrics, kept, lambda: kept.size_bytes)
        return kept
    from aidatalabs_services.data.adapters.redis_results import RedisResults  # slow to import, seldom used

    failures = metrics.counter(
        "aidatalabs_result_cache_failures_total", "Times that Redis could not be used; each was a miss."
    )
    secret = settings.cache_key.get_secret_value().encode()
    return RedisResults(url, secret, entry_bytes=settings.cache_entry_bytes, failed=failures.inc)


def _ingestor(
    settings: DataSettings,
    store: Warehouse,
    schemas: SchemaCache,
    holds: TableHolds,
    fences: TypeFences,
    metrics: Metrics,
    *,
    letters: LetterKeeping | None,
) -> Ingestor:
    schema = partial(schemas.get, patience_seconds=settings.ingest_schema_seconds)
    written = rows_written(metrics)
    return Ingestor(
        store,
        schema,
        settings.directory / "journal",
        limits=_ingest_limits(settings),
        journal_limits=JournalLimits(
            journal_bytes=settings.journal_bytes, free_bytes=settings.journal_free_bytes
        ),
        sink_limits=SinkLimits(table_inserts=settings.ingest_table_insert_count),
        holds=holds,
        fences=fences,
        stored=written,
        letters=letters,
        carrier=_carrier(settings, store, schema, holds, metrics, written),
    )


def _letters(settings: DataSettings, store: Warehouse) -> DeadLetters:
    return DeadLetters(
        store,
        LetterLimits(row_bytes=settings.dead_letter_row_bytes, day_bytes=settings.dead_letter_day_bytes),
        is_on=settings.dead_letters,
        days=settings.dead_letter_days,
        fsync=settings.fsync_engine,
    )


def _carrier(
    settings: DataSettings,
    store: Warehouse,
    schema: Callable[[str], Awaitable[Schema]],
    holds: TableHolds,
    metrics: Metrics,
    stored: Callable[[int], None],
) -> Carrier | None:
    """The way through Kafka where it is configured."""
    if not settings.kafka_bootstrap_servers:
        return None
    from aidatalabs_services.data.adapters.kafka import kafka_carrier  # slow to import, seldom used

    return kafka_carrier(settings, store, schema, holds, metrics, stored)


def _ingest_limits(settings: DataSettings) -> IngestLimits:
    """With Kafka the broker's word is the acknowledgement: no call waits for the engine as well."""
    local = IngestLimits(
        store_seconds=settings.ingest_store_seconds, waiting_bytes_of_all=settings.ingest_waiting_bytes
    )
    if not settings.kafka_bootstrap_servers:
        return local
    most = min(local.group_bytes, settings.kafka_message_bytes * 7 // 8)
    return replace(local, store_seconds=0.0, group_bytes=most)


def _retention(
    settings: DataSettings,
    store: Warehouse,
    schemas: SchemaCache,
    ingestor: Ingestor,
    holds: TableHolds,
    doubts: Doubts,
    queries: Queries,
    rollups: Rollups,
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
        derived=[DerivedRollups(rollups)],
        doubts=doubts,
    )


def _ingest_calls(
    settings: DataSettings, ingestor: Ingestor, meter: IngestMeter, replays: Replays
) -> IngestCalls:
    room = StreamRoom(settings.ingest_stream_bytes, wait_seconds=settings.ingest_stream_wait_seconds)
    places = PlatformPlaces(
        settings.ingest_stream_count,
        share=settings.ingest_stream_count,
        wait_seconds=settings.query_wait_seconds,
        noun="ingest streams",
    )
    streams = IngestStreams(room, batch_count=settings.ingest_stream_batch_count)
    return IngestCalls(ingestor, streams, places, meter, replays)


def query_limits(settings: DataSettings) -> QueryLimits:
    """The limits of every query, from the settings."""
    return QueryLimits(
        max_seconds=settings.query_seconds,
        max_rows=settings.query_rows,
        max_result_bytes=settings.query_result_bytes,
        max_memory_bytes=settings.query_memory_bytes,
        max_rows_to_read=settings.query_read_rows,
        max_bytes_to_read=settings.query_read_bytes,
    )


def stream_limits(settings: DataSettings) -> QueryLimits:
    """The limits of queries whose result is streamed or made into a file."""
    return replace(
        query_limits(settings),
        max_seconds=settings.stream_seconds,
        max_rows=settings.stream_rows,
        max_result_bytes=settings.stream_result_bytes,
    )


def _exports(settings: DataSettings, store: Warehouse, queries: Queries) -> Exports:
    spool = Spool(
        settings.directory / "exports",
        file_bytes=settings.spool_file_bytes,
        all_bytes=settings.spool_bytes,
        free_bytes=settings.spool_free_bytes,
    )
    places = PlatformPlaces(
        settings.export_count,
        share=settings.export_share_count,
        wait_seconds=settings.query_wait_seconds,
        noun="exports",
    )
    return Exports(store, queries, spool, places, stall_seconds=settings.export_stall_seconds)


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
