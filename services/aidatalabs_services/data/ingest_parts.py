"""The way in, with its journal or Kafka and the table of rejected rows, as the settings have it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from aidatalabs_services.data.adapters.data_metrics import (
    IngestMeter,
    rows_written,
)
from aidatalabs_services.data.adapters.ingest_calls import IngestCalls
from aidatalabs_services.data.dead_letters.letters import LetterKeeping, LetterLimits
from aidatalabs_services.data.dead_letters.parts import DeadLetters
from aidatalabs_services.data.dead_letters.replays import Replays
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest import IngestLimits, Ingestor
from aidatalabs_services.data.ingest_streams import IngestStreams, StreamRoom
from aidatalabs_services.data.journal import JournalLimits
from aidatalabs_services.data.kafka.carrier import Carrier
from aidatalabs_services.data.places import PlatformPlaces
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.schema import Schema, SchemaCache
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.data.sink import SinkLimits
from aidatalabs_services.data.type_fences import TypeFences
from aidatalabs_services.runtime.metrics import Metrics


def ingestor(
    settings: DataSettings,
    store: Warehouse,
    schemas: SchemaCache,
    holds: TableHolds,
    fences: TypeFences,
    metrics: Metrics,
    *,
    letters: LetterKeeping | None,
) -> Ingestor:
    """Ingest of all platforms; rejected rows are kept where `letters` is given."""
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


def letters(settings: DataSettings, store: Warehouse) -> DeadLetters:
    """The tables of rejected rows."""
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
    """With Kafka the broker's word is the acknowledgement: no call waits for the engine as well, and how far
    that is behind is no matter of this process.
    """
    local = IngestLimits(
        store_seconds=settings.ingest_store_seconds,
        waiting_bytes_of_all=settings.ingest_waiting_bytes,
        backlog_seconds=settings.ingest_backlog_seconds,
        # No longer than that: what streams have under way must not keep a table behind after a flood.
        batch_seconds=min(settings.ingest_stream_wait_seconds, settings.ingest_backlog_seconds),
    )
    if not settings.kafka_bootstrap_servers:
        return local
    most = min(local.group_bytes, settings.kafka_message_bytes * 7 // 8)
    return replace(local, store_seconds=0.0, group_bytes=most, backlog_seconds=math.inf)


def ingest_calls(
    settings: DataSettings, ingestor: Ingestor, meter: IngestMeter, replays: Replays
) -> IngestCalls:
    """The calls of ingest over its parts."""
    room = StreamRoom(settings.ingest_stream_bytes, wait_seconds=settings.ingest_stream_wait_seconds)
    places = PlatformPlaces(
        settings.ingest_stream_count,
        share=settings.ingest_stream_count,
        wait_seconds=settings.query_wait_seconds,
        noun="ingest streams",
    )
    streams = IngestStreams(room, batch_count=settings.ingest_stream_batch_count)
    return IngestCalls(ingestor, streams, places, meter, replays)
