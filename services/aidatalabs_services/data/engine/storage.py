"""The ClickHouse engine of this process: opened once, one fresh connection per request, stopped at the end.

A connection is never used twice: after a query that failed half-way its bytes come out in front of the next
query's result. Caps are constraints of the engine's own profile, so SQL, URL and SET meet the same wall
(code 452); grants leave out every source outside the data directory.

Two roles: the owner makes, fills and drops tables; the reader, whom people's queries run as, may do nothing
but SELECT from the tables of `analytics`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from xml.sax.saxutils import escape

from aidatalabs_services.data.engine.deduplication import forget_unfinished
from aidatalabs_services.data.engine.faults import SYNTAX_ERROR, EngineFault, fault_of
from aidatalabs_services.data.engine.limits import EngineLimits

DATABASE = "analytics"
READER = "reader"
_GRANTS = (
    "SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP, UNDROP TABLE, TRUNCATE,"
    " OPTIMIZE, SHOW DATABASES, SHOW TABLES, SHOW COLUMNS, KILL QUERY, SYSTEM MERGES, SYSTEM VIEWS,"
    " SYSTEM SYNC REPLICA, dictGet"
)
# Encoded in parallel, the memory of Arrow batches that are sent already still counts as the query's: a stream
# of some size would end with code 241. A union of types has no place in Parquet, its JSON text has.
# JSON columns: declaring a path changes no file; a path without a value stays absent though it is declared; a
# text stays the text it is when a file is rewritten (inserts of text say otherwise for themselves).
_DEFAULTS = {
    "output_format_arrow_parallel_encoding": "0",
    "output_format_arrow_variant_as_string": "1",
    "enable_json_lazy_type_hints": "1",
    "type_json_skip_null_typed_paths": "1",
    "input_format_try_infer_dates": "0",
    "input_format_try_infer_datetimes": "0",
}


class Result(Protocol):
    """What chdb answers with: bytes in the format asked for, and counts."""

    def bytes(self) -> bytes:
        """The result, copied."""

    def get_memview(self) -> Any:
        """The result in place: `.view()` is a memoryview that lives as long as the result."""

    def size(self) -> int:
        """Bytes of the result."""

    def rows_read(self) -> int:
        """Rows of the result."""

    def rows_written(self) -> int:
        """Rows an INSERT wrote."""

    def bytes_written(self) -> int:
        """Bytes an INSERT wrote, uncompressed."""

    def storage_rows_read(self) -> int:
        """Rows read from tables."""

    def storage_bytes_read(self) -> int:
        """Bytes read from tables, uncompressed."""

    def elapsed(self) -> float:
        """Seconds the query took inside the engine."""


class Connection(Protocol):
    """chdb's own connection, which the public wrapper hides parts of."""

    def query(self, text: str, form: str = ..., /, *, params: Mapping[str, str] = ...) -> Result:
        """Runs to the end; `form` is the format where the text names none."""

    def send_query(self, text: str, form: str = ..., /, *, params: Mapping[str, str] = ...) -> object:
        """Starts a SELECT whose blocks are then fetched one by one."""

    def streaming_fetch_result(self, stream: object, /) -> Result:
        """The next block; an empty one is the end."""

    def streaming_cancel_query(self, stream: object, /) -> None:
        """Stops a started SELECT."""

    def classify_query(self, text: str, /) -> Mapping[str, Any]:
        """What the parser makes of the text, without running it."""

    def close(self) -> None:
        """Ends the connection; one is never used twice."""


def quoted(text: str) -> str:
    """`text` as a ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """`name` as a quoted ClickHouse identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


class Storage:
    """The engine on one directory. Build it with `open`; `close` ends it."""

    def __init__(self, source: str, root: Connection) -> None:
        self._source = source
        self._root = root
        facts = root.query("SELECT version(), timezone()", "TabSeparated").bytes().decode().split()
        self.version, self.timezone = facts[0], facts[1]

    @classmethod
    def open(cls, directory: Path, limits: EngineLimits) -> Storage:
        """Writes the configuration, opens or creates the store and the `analytics` database.

        `directory` must be the working directory.
        """
        config = directory / "config"
        config.mkdir(mode=0o700, exist_ok=True)
        users = config / "users.xml"
        users.write_text(_users_xml(limits), encoding="utf-8")
        (config / "config.xml").write_text(_config_xml(limits, users), encoding="utf-8")
        source = "store?config-file=config/config.xml"  # a path with ? or & in it would be cut
        # This process holds the directory's lock, so nobody else has the store open.
        forget_unfinished(directory / "store" / "store")
        root = _connect(source)
        root.query(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        return cls(source, root)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A fresh connection, always closed; engine errors come out as EngineFault."""
        connection = _connect(self._source)
        try:
            yield connection
        except RuntimeError as error:
            raise fault_of(error) from error
        finally:
            connection.close()

    def classify(self, connection: Connection, text: str) -> tuple[str, int]:
        """The parser's class of `text` and its number of statements; EngineFault 62 if it cannot parse."""
        found = connection.classify_query(text)
        name = str(found["query_class"].name)
        if name == "UNKNOWN":
            # Parsed as a value, not run: the text may hold several statements, the first of them sound.
            connection.query("SELECT formatQuery({sql:String})", params={"sql": _as_parameter(text)})
            raise EngineFault(SYNTAX_ERROR, "Syntax error")
        return name, int(found["statement_count"])

    def kill(self, query_id: str) -> None:
        """Asks the engine to stop the query that runs under `query_id`; returns without waiting for it."""
        with self.connection() as connection:
            connection.query(f"KILL QUERY WHERE Settings['log_comment'] = {quoted(query_id)} ASYNC")

    def close(self) -> None:
        """Closes the last connection; the engine stops."""
        self._root.close()


def _connect(source: str) -> Connection:
    from chdb import _chdb  # the sandbox must stand before the engine's threads start

    connect: Callable[[str], Connection] = vars(_chdb)["connect"]
    return connect(source)


def _as_parameter(text: str) -> str:
    """A String value in the escaped form query parameters travel in."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _config_xml(limits: EngineLimits, users: Path) -> str:
    path = escape(str(users))
    return f"""<clickhouse>
  <logger><level>none</level></logger>
  <max_server_memory_usage>{limits.max_server_memory_bytes}</max_server_memory_usage>
  <access_control_improvements>
    <select_from_system_db_requires_grant>true</select_from_system_db_requires_grant>
    <select_from_information_schema_requires_grant>true</select_from_information_schema_requires_grant>
  </access_control_improvements>
  <users_config>{path}</users_config>
  <user_directories><users_xml><path>{path}</path></users_xml></user_directories>
</clickhouse>
"""


def _users_xml(limits: EngineLimits) -> str:
    caps = {
        "max_execution_time": (f"{limits.max_execution_seconds:g}", "0.001"),
        "max_memory_usage": (str(limits.max_query_memory_bytes), "1"),
        "max_result_bytes": (str(limits.max_result_bytes), "1"),
    }
    defaults = {name: top for name, (top, _) in caps.items()} | _DEFAULTS
    values = "".join(f"<{name}>{value}</{name}>" for name, value in defaults.items())
    walls = "".join(
        f"<{name}><min>{least}</min><max>{top}</max></{name}>" for name, (top, least) in caps.items()
    )
    return f"""<clickhouse>
  <profiles><default>{values}<constraints>{walls}</constraints></default></profiles>
  <roles>
    <owner><grants><query>GRANT {_GRANTS} ON *.*</query></grants></owner>
    <{READER}><grants><query>GRANT SELECT ON {DATABASE}.*</query></grants></{READER}>
  </roles>
  <users><default>
    <password></password><networks><ip>::/0</ip></networks>
    <profile>default</profile><quota>default</quota>
    <grants><query>GRANT owner</query><query>GRANT {READER}</query></grants>
  </default></users>
  <quotas><default></default></quotas>
</clickhouse>
"""
