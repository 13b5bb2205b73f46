"""Queries, their kept results and exports, as the settings have them."""

from __future__ import annotations

from dataclasses import replace

from aidatalabs_services.data.adapters.data_metrics import (
    measure_budget,
    measure_kept_results,
    measure_results,
)
from aidatalabs_services.data.adapters.memory_results import MemoryResults
from aidatalabs_services.data.admission import Admission
from aidatalabs_services.data.budgets import RowBudget
from aidatalabs_services.data.estimates import Estimates
from aidatalabs_services.data.exports import Exports
from aidatalabs_services.data.messages import result_payload
from aidatalabs_services.data.places import PlatformPlaces
from aidatalabs_services.data.ports import QueryLimits, ResultCache, Warehouse
from aidatalabs_services.data.queries import Queries
from aidatalabs_services.data.results import Results
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.data.spending import Spending
from aidatalabs_services.data.spool import Spool
from aidatalabs_services.data.versions import DataVersions
from aidatalabs_services.runtime.metrics import Metrics


def queries(
    settings: DataSettings,
    store: Warehouse,
    schemas: SchemaCache,
    versions: DataVersions,
    budget: RowBudget,
    rollups: Rollups,
    metrics: Metrics,
) -> Queries:
    """Queries with their places, budget, kept results and roll-ups."""
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


def exports(settings: DataSettings, store: Warehouse, queries: Queries) -> Exports:
    """Files made of queries, spooled on disk."""
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
