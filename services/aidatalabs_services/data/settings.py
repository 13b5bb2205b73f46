"""What the data service can be told from outside: `AIDATALABS_DATA_<NAME_UNIT>`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from aidatalabs_services.runtime.settings import ServerSettings

_MIB = 1024 * 1024
_GIB = 1024 * _MIB
_LEAST_KEY_CHARACTERS = 16


class DataSettings(ServerSettings):
    """The settings of the data service; without `clickhouse_host` it runs embedded engines in `directory`."""

    model_config = SettingsConfigDict(
        env_prefix="AIDATALABS_DATA_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    directory: Path = Field(description="Folder of this service's state: engines and the ingest journal.")

    clickhouse_host: str = Field(
        default="", description="Host of a ClickHouse cluster; empty runs embedded engines."
    )
    clickhouse_port: int = Field(default=8443, ge=1, le=65535, description="Its HTTP port.")
    clickhouse_user: str = Field(default="aidatalabs", description="User that owns the platforms' databases.")
    clickhouse_password: SecretStr = Field(default=SecretStr(""), description="That user's password.")
    clickhouse_tls: bool = Field(default=True, description="Whether the cluster is reached over TLS.")
    clickhouse_database_prefix: str = Field(
        default="platform_", pattern=r"^[a-z_][a-z0-9_]{0,30}$", description="Databases are `<prefix><uid>`."
    )

    engine_idle_seconds: float = Field(
        default=600.0, gt=0, description="An embedded engine that nobody used for this long is stopped."
    )
    engine_hung_seconds: float = Field(
        default=15.0, ge=1, description="An engine in use that answers no ping for this long is replaced."
    )
    engine_count: int = Field(default=8, ge=1, description="Embedded engines that run at the same time.")
    engine_wait_seconds: float = Field(
        default=5.0, ge=0, description="Longest wait for an engine while all of them are in use."
    )
    engine_memory_bytes: int = Field(
        default=2 * _GIB, ge=256 * _MIB, description="Memory one embedded engine may track; plan with double."
    )
    fsync_engine: bool = Field(
        default=False,
        description="Whether tables made from now on survive power loss, not only a killed process.",
    )

    standard_rollups: bool = Field(
        default=True,
        description="Whether `events` has its standard roll-ups; without them inserts cost less, dashboards"
        " more.",
    )

    rollup_follow_seconds: float = Field(
        default=5.0,
        ge=0.1,
        le=3600,
        description="Time between two looks at a table whose roll-ups are asynchronous; longer is cheaper for"
        " inserts and dearer for queries, which read newer rows themselves.",
    )

    query_seconds: float = Field(default=10.0, gt=0, le=60, description="A query is stopped after this long.")
    query_rows: int = Field(default=10_000, ge=1, le=10_000, description="Most rows of an answer in JSON.")
    query_result_bytes: int = Field(default=16 * _MIB, ge=_MIB, description="Most bytes of a result.")
    query_memory_bytes: int = Field(default=_GIB, ge=64 * _MIB, description="Memory one query may use.")
    query_read_rows: int = Field(default=2_000_000_000, ge=1, description="Rows one query may read.")
    query_read_bytes: int = Field(
        default=100 * _GIB, ge=1, description="Bytes one query may read, uncompressed."
    )

    query_budget_rows: int = Field(
        default=0,
        ge=0,
        description="Rows that one platform's queries may read in a day (UTC); 0 is no limit.",
    )
    cache_bytes: int = Field(
        default=128 * _MIB,
        ge=0,
        description="Memory for results of queries, half for one platform; 0 is none.",
    )
    cache_url: SecretStr = Field(
        default=SecretStr(""),
        description="Redis that keeps results for all replicas (redis:// or rediss://); empty keeps them in"
        " memory.",
    )
    cache_key: SecretStr = Field(
        default=SecretStr(""),
        description="Signs what is kept in Redis, the same for all replicas; needed with `cache_url`.",
    )
    cache_entry_bytes: int = Field(default=4 * _MIB, ge=0, description="Larger results are not kept.")

    query_count: int = Field(
        default=10,
        ge=1,
        le=100,
        description="Queries and streams of one platform that run at once, fewer than `running_calls`;"
        " its engine has places beside them for inserts and the catalogue.",
    )
    query_share_count: int = Field(
        default=5, ge=1, description="As many of them may be of one user; at most `query_count`."
    )
    query_wait_seconds: float = Field(
        default=1.0, ge=0, description="Longest wait of a query for a place of its platform."
    )
    stream_seconds: float = Field(
        default=60.0, gt=0, le=60, description="A streamed or exported query is stopped after this long."
    )
    stream_stall_seconds: float = Field(
        default=20.0, gt=0, description="A stream whose reader takes nothing for this long is ended."
    )
    stream_rows: int = Field(default=100_000_000, ge=1, description="Most rows of a stream or an export.")
    stream_result_bytes: int = Field(
        default=_GIB, ge=_MIB, description="Most bytes of a stream or an export, as the engine counts them."
    )
    export_count: int = Field(
        default=8, ge=1, description="Exports of one platform at once, their sending included."
    )
    export_share_count: int = Field(
        default=4, ge=1, description="As many of them may be of one user; at most `export_count`."
    )
    export_stall_seconds: float = Field(
        default=60.0, gt=0, description="An export whose reader takes nothing for this long is ended."
    )
    spool_file_bytes: int = Field(default=_GIB, ge=_MIB, description="Most bytes of one exported file.")
    spool_bytes: int = Field(
        default=4 * _GIB,
        ge=_MIB,
        description="Most bytes of all files being exported; one user's, three quarters.",
    )
    spool_free_bytes: int = Field(
        default=256 * _MIB, ge=0, description="Room the disk keeps; with less, exports are refused."
    )

    ingest_store_seconds: float = Field(
        default=2.0, ge=0, description="An ingest call waits this long for its rows to be in the table."
    )
    ingest_backlog_seconds: float = Field(
        default=3.0,
        gt=0,
        le=3600,
        description="Longest that a table's acknowledged rows may take to be stored, at the pace of the last"
        " seconds; beyond, calls are refused with RetryInfo. Does not count while its engine is away.",
    )
    ingest_table_insert_count: int = Field(
        default=2, ge=1, le=4, description="Large inserts into one table at once."
    )
    ingest_waiting_bytes: int = Field(
        default=384 * _MIB,
        ge=_MIB,
        description="Bytes of rows that wait for the journal, over all platforms; one platform's take at most"
        " as many as they leave free.",
    )
    ingest_stream_bytes: int = Field(
        default=256 * _MIB,
        ge=16 * _MIB,
        description="Bytes of batches in work, over all ingest streams; one platform's take at most as many"
        " as they leave free.",
    )
    ingest_stream_count: int = Field(default=16, ge=1, description="Ingest streams of one platform at once.")
    ingest_stream_batch_count: int = Field(
        default=48, ge=1, description="Batches of one ingest stream in work at a time."
    )
    ingest_stream_wait_seconds: float = Field(
        default=10.0, ge=0, description="Longest wait of a batch for room; then it is refused with RetryInfo."
    )
    ingest_schema_seconds: float = Field(
        default=1.0, ge=0, description="Longest wait for a newer schema; then the last known one is used."
    )
    dead_letters: bool = Field(
        default=True, description="Whether rejected rows are kept in each platform's table `dead_letters`."
    )
    dead_letter_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="How long, for tables made from now on; UpdateTable changes it.",
    )
    dead_letter_row_bytes: int = Field(
        default=64 * 1024, ge=256, le=_MIB, description="Bytes kept of one rejected row; the rest is cut off."
    )
    dead_letter_day_bytes: int = Field(
        default=256 * _MIB, ge=0, description="Bytes of rejected rows kept of one platform in a day (UTC)."
    )

    journal_bytes: int = Field(
        default=_GIB, ge=16 * _MIB, description="Most bytes of one platform's ingest journal."
    )
    journal_free_bytes: int = Field(
        default=256 * _MIB, ge=0, description="Room the disk keeps; with less, ingest is refused."
    )

    kafka_bootstrap_servers: str = Field(
        default="",
        description="Brokers of a Kafka cluster, `host:port,…`, to ingest through; empty: the journal.",
    )
    kafka_prefix: str = Field(
        default="aidatalabs",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$",
        description="Topics are `<prefix>.<platform uid>.<table>`; one prefix for each deployment.",
    )
    kafka_partition_count: int = Field(
        default=12, ge=1, le=400, description="Partitions of a table's topic, when it is made."
    )
    kafka_replication_count: int = Field(
        default=3, ge=1, le=9, description="Replicas of each; all but one must be in sync to acknowledge."
    )
    kafka_retention_hours: float = Field(
        default=168.0,
        ge=1,
        description="How long a topic keeps messages: the longest that the engine may be away.",
    )
    kafka_message_bytes: int = Field(
        default=32 * _MIB, ge=_MIB, le=64 * _MIB, description="Largest message; a larger block is refused."
    )
    kafka_ack_seconds: float = Field(
        default=10.0, gt=0, description="Longest wait of a call for the brokers' acknowledgement."
    )
    kafka_session_seconds: float = Field(
        default=10.0, ge=1, description="A sink worker that is silent for so long loses its partitions."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How the brokers are spoken to."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="How this service proves who it is, with a SASL protocol."
    )
    kafka_sasl_username: str = Field(default="", description="Its name there.")
    kafka_sasl_password: SecretStr = Field(default=SecretStr(""), description="Its password there.")
    kafka_tls_authority: Path | None = Field(
        default=None, description="Authority of the brokers' certificates; without it, the system's."
    )
    kafka_tls_certificate: Path | None = Field(
        default=None, description="Certificate that this service shows to the brokers."
    )
    kafka_tls_key: Path | None = Field(default=None, description="That certificate's key.")

    drop_grace_hours: float = Field(
        default=168.0, ge=0, le=8784, description="How long a dropped table can be brought back; 0 is not."
    )

    backup_directory: Path | None = Field(
        default=None,
        description="Folder that backups are kept in, another disk's where possible; empty is `backups` in"
        " `directory`.",
    )
    backup_count: int = Field(default=100, ge=1, description="Backups of one platform at most.")

    schema_cache_seconds: float = Field(
        default=5.0, ge=0, description="How long another replica's new table may stay unseen."
    )
    profile_sample_rows: int = Field(
        default=5_000_000, ge=1000, description="Rows of a table that its column profiles are measured on."
    )
    profile_seconds: float = Field(default=20.0, gt=0, description="Time one table's profile may take.")
    layout_sample_rows: int = Field(
        default=2_000_000, ge=8192, description="Rows of a table that other layouts of it are measured on."
    )
    layout_sample_bytes: int = Field(
        default=512 * _MIB, ge=_MIB, description="Bytes on disk of such a copy, as the table is laid out."
    )
    layout_seconds: float = Field(
        default=45.0, gt=0, description="Time that measuring layouts for one query may take."
    )
    layout_count: int = Field(default=1, ge=1, description="Platforms whose layouts are measured at once.")
    typed_paths_seconds: float = Field(
        default=60.0,
        gt=0,
        le=100,
        description="Time one look at every row may take before paths of a JSON column are declared.",
    )

    @model_validator(mode="after")
    def _kafka_is_told_whole(self) -> DataSettings:
        if "SASL" in self.kafka_security_protocol and not (
            self.kafka_sasl_username and self.kafka_sasl_password.get_secret_value()
        ):
            raise ValueError("kafka_sasl_username and kafka_sasl_password are needed with a SASL protocol")
        if (self.kafka_tls_certificate is None) != (self.kafka_tls_key is None):
            raise ValueError("kafka_tls_certificate and kafka_tls_key belong together")
        for path in (self.kafka_tls_authority, self.kafka_tls_certificate, self.kafka_tls_key):
            if path is not None and not path.is_file():
                raise ValueError("kafka_tls_authority, kafka_tls_certificate and kafka_tls_key must be files")
        return self

    @model_validator(mode="after")
    def _a_shared_cache_is_signed(self) -> DataSettings:
        url = self.cache_url.get_secret_value()
        if url and not url.startswith(("redis://", "rediss://")):
            raise ValueError("cache_url is no address of Redis: write redis://host:6379/0")
        if url and len(self.cache_key.get_secret_value()) < _LEAST_KEY_CHARACTERS:
            raise ValueError(
                "cache_key is needed with cache_url: at least 16 characters, the same everywhere"
            )
        return self
