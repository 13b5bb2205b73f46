"""One request as a call on the engine: SQL text, rows to insert, settings, parameters, database, ids."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from aidatalabs_services.data.engine.bodies import MemoryFile, decoded
from aidatalabs_services.data.engine.faults import (
    ACCESS_DENIED,
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    SYNTAX_ERROR,
    TOO_LARGE,
    EngineFault,
)
from aidatalabs_services.data.engine.forms import read_form
from aidatalabs_services.data.engine.http1 import Request
from aidatalabs_services.data.engine.limits import EngineLimits
from aidatalabs_services.data.engine.statements import InsertHead, insert_head
from aidatalabs_services.data.engine.storage import READER

_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
_QUERY_ID = re.compile(r"[\x20-\x7e]{1,200}\Z")
_HEAD_BYTES = 64 * 1024
# Names of the HTTP interface itself. Sessions are not kept: every request has its own connection.
_TRANSPORT = frozenset(
    (
        "query",
        "database",
        "query_id",
        "default_format",
        "wait_end_of_query",
        "buffer_size",
        "user",
        "password",
        "role",
        "quota_key",
        "stacktrace",
        "session_id",
        "session_timeout",
        "session_check",
        "close_session",
        "client_protocol_version",
        "enable_http_compression",
        "http_zlib_compression_level",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "cancel_http_readonly_queries_on_client_close",
    )
)


@dataclass
class Call:
    """What one request asks for. `text` is the SQL without rows; `rows` belongs to the call: close it."""

    text: bytes
    insert: InsertHead | None = None
    rows: MemoryFile | None = None
    settings: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    database: str = ""
    query_id: str = ""
    default_format: str = "TabSeparated"
    is_reader: bool = False
    buffered: bool = False

    def close(self) -> None:
        """Gives the rows' memory back."""
        if self.rows is not None:
            self.rows.close()


def read_call(request: Request, body: Iterator[bytes], limits: EngineLimits) -> Call:
    """Reads the body and takes the request apart. Raises EngineFault, BadRequest, ClientGone."""
    params = dict(request.params)
    encoding = request.headers.get("content-encoding", "").lower()
    pieces = decoded(body, encoding, limits.max_body_bytes)
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/form-data"):
        fields = read_form(content_type, b"".join(decoded(pieces, "", 16 * limits.max_sql_bytes)))
        text = "\n".join(filter(None, (params.pop("query", ""), fields.pop("query", ""))))
        call = Call(text.encode())
        params.update(fields)
    else:
        call = _read_text(params.pop("query", "").encode(), pieces, limits)
    try:
        _fill(call, request, params)
    except BaseException:
        call.close()
        raise
    return call


def _read_text(query: bytes, pieces: Iterator[bytes], limits: EngineLimits) -> Call:
    """The SQL, and where it is an INSERT with rows, the rows in a memory file."""
    text = bytearray(query + b"\n" if query else b"")
    for piece in pieces:
        text += piece
        if len(text) >= _HEAD_BYTES:
            break
    head = insert_head(bytes(text[:_HEAD_BYTES]))
    if head is None:
        for piece in pieces:
            text += piece
            if len(text) > limits.max_sql_bytes:
                break
        if len(text) > limits.max_sql_bytes:
            raise EngineFault(SYNTAX_ERROR, f"The SQL text is over {limits.max_sql_bytes} bytes")
        head = insert_head(bytes(text)) if len(text) > _HEAD_BYTES else None
    if head is None:
        return Call(bytes(text).rstrip())
    rows = MemoryFile()
    try:
        with memoryview(text) as view:
            rows.write(view[head.data_start :])
        for piece in pieces:
            rows.write(piece)
    except OSError as error:
        rows.close()
        raise EngineFault(TOO_LARGE, "There is no memory for the rows; send fewer at once") from error
    except BaseException:
        rows.close()
        raise
    return Call(head.text(), head, rows)


def _fill(call: Call, request: Request, params: dict[str, str]) -> None:
    """Settings, parameters and ids from the URL (and form) and the X-ClickHouse headers."""
    headers = request.headers
    for name, value in params.items():
        if name.startswith("param_"):
            call.params[name[len("param_") :]] = value
        elif name in ("compress", "decompress"):
            if value not in ("0", ""):
                raise EngineFault(NOT_IMPLEMENTED, "Use Content-Encoding instead of compress and decompress")
        elif name == "log_comment":
            raise EngineFault(NOT_IMPLEMENTED, "log_comment carries the query id here and cannot be set")
        elif name not in _TRANSPORT:
            if not _SETTING_NAME.match(name):
                raise EngineFault(BAD_ARGUMENTS, "The name of a setting is malformed")
            call.settings[name] = value
    if request.method == "GET":
        call.settings.setdefault("readonly", "2")
    role = params.get("role", "")
    if role not in ("", READER):
        raise EngineFault(ACCESS_DENIED, "There is no such role")
    call.is_reader = role == READER
    call.database = params.get("database", "") or headers.get("x-clickhouse-database", "")
    call.default_format = (
        params.get("default_format", "") or headers.get("x-clickhouse-format", "") or "TabSeparated"
    )
    call.buffered = params.get("wait_end_of_query", "") in ("1", "true")
    call.query_id = params.get("query_id", "") or str(uuid.uuid4())
    if not _QUERY_ID.match(call.query_id):
        raise EngineFault(BAD_ARGUMENTS, "The query id must be 1 to 200 printable ASCII characters")
    if b"\0" in call.text:
        raise EngineFault(SYNTAX_ERROR, "The SQL text holds a NUL character")
    try:
        call.text.decode("utf-8")
    except UnicodeDecodeError:
        raise EngineFault(SYNTAX_ERROR, "The SQL text is not UTF-8") from None
