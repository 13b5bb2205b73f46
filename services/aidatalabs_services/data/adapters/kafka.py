"""Builds the way through Kafka from the settings."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

from aidatalabs_services.data.adapters.kafka_connection import KafkaConnection, quieten_library
from aidatalabs_services.data.adapters.kafka_readers import KafkaReceiptReader, KafkaSinkReader
from aidatalabs_services.data.adapters.kafka_topics import KafkaTopics, TopicLayout
from aidatalabs_services.data.adapters.kafka_writer import KafkaWriter
from aidatalabs_services.data.durable_files import durable_file
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.kafka.carrier import Carrier, CarrierLimits, Cluster
from aidatalabs_services.data.kafka.letters import TopicNames
from aidatalabs_services.data.kafka.sink_lines import LineLimits, Tables
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.schema import Schema
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.runtime.metrics import Metrics

# Blocks of the first messages of all partitions of a table: with them the engine still knows, of the last
# 1,000 tokens of a table, that of the block that was at work when a worker died.
_FIRST_BLOCKS = 400
_MOST_TOPICS = 50
# The longest until partitions are given out anew, once it is known that a worker is gone.
_GIVE_OUT_SECONDS = 10.0


def kafka_carrier(
    settings: DataSettings,
    store: Warehouse,
    schema: Callable[[str], Awaitable[Schema]],
    holds: TableHolds,
    metrics: Metrics,
    stored: Callable[[int], None],
) -> Carrier:
    """The carrier of this process; connects when it is started."""
    session = settings.kafka_session_seconds
    lines = LineLimits(fence_seconds=session / 3, doubt_seconds=2 * session + _GIVE_OUT_SECONDS)
    limits = CarrierLimits(
        message_bytes=settings.kafka_message_bytes,
        message_blocks=message_blocks(settings.kafka_partition_count),
        ack_seconds=settings.kafka_ack_seconds,
    )
    tables = Tables(store, schema, holds, lines)
    carrier = Carrier(kafka_cluster(settings), tables, stored=stored, limits=limits, line_limits=lines)
    metrics.reading(
        "aidatalabs_kafka_lag",
        "Offsets that the sink has not passed, of the topics furthest behind and of all others together.",
        lambda: shown_lag(carrier.lag),
        label="topic",
    )
    metrics.reading(
        "aidatalabs_kafka_sink_bytes",
        "Bytes of messages that were read from Kafka and are not stored.",
        lambda: carrier.worker.waiting_bytes,
    )
    return carrier


def kafka_cluster(settings: DataSettings) -> Cluster:
    """The parts that speak to the cluster of the settings."""
    quieten_library()
    names = TopicNames(settings.kafka_prefix)
    connection = KafkaConnection(
        settings.kafka_bootstrap_servers,
        settings.kafka_security_protocol,
        settings.kafka_sasl_mechanism,
        settings.kafka_sasl_username,
        settings.kafka_sasl_password.get_secret_value(),
        settings.kafka_tls_authority,
        settings.kafka_tls_certificate,
        settings.kafka_tls_key,
    )
    layout = TopicLayout(
        settings.kafka_partition_count,
        settings.kafka_replication_count,
        settings.kafka_retention_hours * 3600,
        settings.kafka_message_bytes,
    )
    writer_name, session = _writer_name(settings.directory / "kafka_writer"), uuid.uuid4().hex
    return Cluster(
        KafkaTopics(connection, names, layout),
        KafkaWriter(connection, names, writer_name, session, message_bytes=settings.kafka_message_bytes),
        partial(KafkaReceiptReader, connection, names),
        partial(KafkaSinkReader, connection, names, session_seconds=settings.kafka_session_seconds),
        names,
        writer_name,
        session,
    )


def _writer_name(path: Path) -> str:
    """The name this process writes under: the same after each restart on the same folder."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable_file(path, uuid.uuid4().hex.encode())
    return path.read_text()


def message_blocks(partition_count: int) -> int:
    """The most blocks of one message where a table's topic has so many partitions."""
    return max(1, _FIRST_BLOCKS // partition_count)


def shown_lag(lag: Mapping[tuple[str, int], int]) -> dict[str, float]:
    """The lag by topic, of as many topics as a metric should have series for; `others` has the rest."""
    behind: Counter[str] = Counter()
    for (topic, _), offsets in lag.items():
        behind[topic] += offsets
    most = behind.most_common(_MOST_TOPICS)
    return {topic: float(offsets) for topic, offsets in most} | {
        "others": float(behind.total() - sum(offsets for _, offsets in most))
    }
