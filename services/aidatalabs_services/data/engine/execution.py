"""Runs one call on a fresh connection and writes its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from aidatalabs_services.data.engine.calls import Call
from aidatalabs_services.data.engine.faults import QUERY_CANCELLED, EngineFault, fault_of
from aidatalabs_services.data.engine.http1 import ClientGone, HttpConnection, chunk_head, head_of
from aidatalabs_services.data.engine.limits import EngineLimits
from aidatalabs_services.data.engine.reading import ReaderGate
from aidatalabs_services.data.engine.running import RunningQueries, RunningQuery
from aidatalabs_services.data.engine.statements import Statement, admit
from aidatalabs_services.data.engine.storage import (
    DATABASE,
    READER,
    Connection,
    Result,
    Storage,
    identifier,
    quoted,
)
from aidatalabs_services.data.engine.streams import (
    ARROW_END,
    ArrowJoint,
    NamesJoint,
    exception_frame,
    exception_tag,
)

_COPIED_BYTES = 1024 * 1024


@dataclass
class Answer:
    """Where the answer goes. `keep_alive` turns false when the connection cannot take another request."""

    http: HttpConnection
    keep_alive: bool
    begun: bool = False

    def whole(self, status: int, headers: Mapping[str, str], body: bytes | memoryview) -> None:
        """Sends a complete answer. Raises ClientGone."""
        self._send(head_of(status, headers, len(body), keep_alive=self.keep_alive), body)

    def begin(self, headers: Mapping[str, str]) -> None:
        """Sends the head of a chunked answer."""
        self._send(head_of(200, headers, None, keep_alive=self.keep_alive))

    def piece(self, data: bytes | memoryview) -> None:
        """Sends one chunk; an empty one ends the answer."""
        self._send(chunk_head(len(data)), data, b"\r\n")

    def _send(self, *pieces: bytes | memoryview) -> None:
        self.begun = True
        try:
            self.http.send(*pieces)
        except OSError as error:
            self.keep_alive = False
            raise ClientGone("the answer could not be sent") from error


class Executor:
    """Admits, gates, runs and answers calls; safe to use from many threads."""

    def __init__(self, storage: Storage, limits: EngineLimits) -> None:
        self.storage = storage
        self.running = RunningQueries(limits, storage.kill)
        self._readers = ReaderGate(DATABASE)

    def run(self, call: Call, answer: Answer) -> None:
        """Answers one call. Raises EngineFault before the first byte; later errors go into the stream."""
        with (
            self.running.admitted(call.query_id, answer.http.fileno()) as query,
            self.storage.connection() as connection,
        ):
            text = call.text.decode("utf-8")
            statement = admit(call.text, *self.storage.classify(connection, text))
            connection.query(_prefix(call))
            if call.is_reader:
                self._readers.check(
                    statement,
                    lambda asked: connection.query(asked, "TSVRaw").bytes().decode("utf-8", "replace"),
                )
            if query.stopped.is_set():
                raise EngineFault(QUERY_CANCELLED, "Query was cancelled")
            format_name = statement.format or call.default_format
            if not call.buffered and statement.streams(format_name):
                self._stream(call, statement, connection, answer, format_name)
                return
            result = self._whole(call, statement, connection)
            body = result.get_memview().view() if result.size() else b""
            if len(body) <= _COPIED_BYTES:
                body = bytes(body)
            headers = self.headers(call.query_id)
            headers["X-ClickHouse-Summary"] = _summary(result)
            if statement.has_result:
                headers["X-ClickHouse-Format"] = format_name
            self._send_whole(query, answer, headers, body)

    def headers(self, query_id: str) -> dict[str, str]:
        """The headers every answer to a query carries."""
        return {
            "Content-Type": "application/octet-stream",
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Server-Display-Name": "aidatalabs-engine",
            "X-ClickHouse-Timezone": self.storage.timezone,
        }

    def _whole(self, call: Call, statement: Statement, connection: Connection) -> Result:
        text = statement.text
        if call.insert is not None and call.rows is not None:
            text = call.insert.reading_from(call.rows.path)
        return connection.query(text, call.default_format, params=call.params)

    def _send_whole(
        self, query: RunningQuery, answer: Answer, headers: Mapping[str, str], body: bytes | memoryview
    ) -> None:
        if query.stopped.is_set():
            raise ClientGone("left before the answer")
        answer.whole(200, headers, body)

    def _stream(
        self, call: Call, statement: Statement, connection: Connection, answer: Answer, format_name: str
    ) -> None:
        """Sends blocks as they come; the first is fetched before the head, so early errors have a status."""
        stream = connection.send_query(statement.text, call.default_format, params=call.params)
        joint = _joint(format_name)
        result = connection.streaming_fetch_result(stream)
        if joint and not result.size():
            # No block, so no schema and no names either: an empty result is written as a whole.
            result = connection.query(statement.text, call.default_format, params=call.params)
        tag = exception_tag()
        headers = self.headers(call.query_id)
        headers |= {"X-ClickHouse-Format": format_name, "X-ClickHouse-Exception-Tag": tag}
        try:
            answer.begin(headers)
            while result.size():
                view = result.get_memview().view()
                answer.piece(joint.joined(view) if joint else view)
                result = connection.streaming_fetch_result(stream)
            if isinstance(joint, ArrowJoint):
                answer.piece(ARROW_END)
        except ClientGone:
            with suppress(RuntimeError):
                connection.streaming_cancel_query(stream)
            raise
        except (RuntimeError, ValueError) as error:
            answer.keep_alive = False
            answer.piece(exception_frame(tag, fault_of(error).body(self.storage.version)))
        answer.piece(b"")


def _joint(format_name: str) -> ArrowJoint | NamesJoint | None:
    """What makes one document of the blocks of this format; None where they follow each other as they are."""
    if format_name == "ArrowStream":
        return ArrowJoint()
    return NamesJoint() if format_name == "CSVWithNames" else None


def _prefix(call: Call) -> str:
    """Database, settings and the query id, set on the fresh connection by one text."""
    settings = {**call.settings, "log_comment": call.query_id}
    readonly = settings.pop("readonly", None)
    if call.is_reader:
        readonly = "1"
    if readonly is not None:
        settings["readonly"] = readonly
    words = ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())
    use = f"USE {identifier(call.database)}; " if call.database else ""
    role = f"SET ROLE {READER}; " if call.is_reader else ""
    return f"{use}{role}SET {words}"


def _summary(result: Result) -> str:
    """X-ClickHouse-Summary: counts as strings, time in nanoseconds."""
    return json.dumps(
        {
            "read_rows": str(result.storage_rows_read()),
            "read_bytes": str(result.storage_bytes_read()),
            "written_rows": str(result.rows_written()),
            "written_bytes": str(result.bytes_written()),
            "result_rows": str(result.rows_read()),
            "result_bytes": str(result.size()),
            "elapsed_ns": str(int(result.elapsed() * 1e9)),
        }
    )
