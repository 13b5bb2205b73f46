"""Asking every question of a pack: scratch platforms of a mesh, the agent's own code, the pack's clock.

The agent runs in this process with a data client pointed at the edge, because the clock is no part of the
contract; SQL and rows go the usual way, through the data service's one door.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
from google.protobuf.struct_pb2 import Struct

from aidatalabs.data.v1 import table_pb2
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs_client import ApiError, Client
from aidatalabs_client.files import pieces, rows_of
from aidatalabs_services.agent.adapters.data_client import READS, DataClient
from aidatalabs_services.agent.models.models import NO_MODELS, OFFLINE, Models
from aidatalabs_services.agent.models.verdicts import ModelUse
from aidatalabs_services.agent.planner.outcomes import Clarification
from aidatalabs_services.agent.ports import Explanation, PlatformData, Rows, SchemaSnapshot
from aidatalabs_services.agent.query_agent import QueryAgent, Question, Understood, Written
from aidatalabs_services.cli.connection import Access
from aidatalabs_services.cli.evaluation_report import ASKED_BACK, Asked, Line
from aidatalabs_services.cli.failures import CommandFailed
from aidatalabs_services.cli.question_packs import Pack, PackQuestion, PackTable, PackUnreadable
from aidatalabs_services.cli.whole_files import whole_file
from aidatalabs_services.runtime.caller import Call, Caller, set_current_call
from aidatalabs_services.runtime.channels import open_channel
from aidatalabs_services.runtime.errors import ServiceUnavailable
from aidatalabs_services.runtime.interceptors.statuses import service_error

_METHOD = "/aidatalabs.agent.v1.AgentService/Query"
_ANSWER_SECONDS = 60.0
_ATTEMPTS = 5
_PAUSE_SECONDS = 1.0
_BATCH_ROWS = 10_000
_WRAPPED = re.compile(r"LowCardinality\((.*)\)")

OnLine = Callable[[str, Line | None], None]
"""Told the database and the line of each question; before its first one, None."""


async def evaluate(
    found: Access, pack: Pack, on_line: OnLine, *, model: str = OFFLINE, models: Models = NO_MODELS
) -> list[Asked]:
    """All questions with their lines, in the pack's order, asked of `model`, one of `models` or the planner.

    One scratch platform at a time holds one database; it is deleted again, whatever happens. Raises
    PackUnreadable, CommandFailed, ApiError, and ServiceUnavailable for a mesh that went away.
    """
    asked: dict[str, Asked] = {}
    channel = open_channel(found.host_and_port, idempotent=READS)
    data = DataClient(channel)
    try:
        async with found.client() as client:
            caller = (await client.current_user()).name
            for db in pack.databases:
                tables = pack.tables(db)
                on_line(db, None)
                platform = await client.create_platform(_scratch_id(), f"{pack.name}: {db}"[:60])
                try:
                    for table in tables:
                        await _fill(client, platform.name, table)
                    known = PackData(data, {table.name for table in tables})
                    agent = QueryAgent(known, clock=lambda: pack.now, models=models)
                    asker = Asker(agent, Caller(user=caller, token=found.token), platform, model)
                    for question in (one for one in pack.questions if one.db == db):
                        asked[question.id] = await asker.ask(question)
                        on_line(db, asked[question.id].line)
                finally:
                    await client.delete_platform(platform.name, purge=True)
    finally:
        await models.close()
        await channel.close()
    return [asked[question.id] for question in pack.questions]


def _scratch_id() -> str:
    return f"eval-{secrets.token_hex(5)}"


class PackData:
    """`PlatformData` that describes the pack's tables alone.

    A platform has standard tables of its own, which are no part of the pack's database: SQL that read them
    could not run there.
    """

    def __init__(self, data: PlatformData, tables: Collection[str]) -> None:
        self._data = data
        self._tables = frozenset(tables)

    async def describe(self, platform: str, known_data_version: str) -> SchemaSnapshot | None:
        """See PlatformData."""
        found = await self._data.describe(platform, known_data_version)
        if found is None:
            return None
        return replace(found, tables=tuple(one for one in found.tables if one.name in self._tables))

    async def explain(self, platform: str, sql: str) -> Explanation:
        """See PlatformData."""
        return await self._data.explain(platform, sql)

    async def query(self, platform: str, sql: str, max_rows: int) -> Rows:
        """See PlatformData."""
        return await self._data.query(platform, sql, max_rows)


class Asker:
    """Asks the agent about one platform, as one caller."""

    def __init__(
        self, agent: QueryAgent, caller: Caller, platform: platform_pb2.Platform, model: str = OFFLINE
    ) -> None:
        self._agent = agent
        self._caller = caller
        self._platform = platform
        self._model = model

    async def ask(self, question: PackQuestion) -> Asked:
        """The line of one question; a mesh that is about to be back is waited for."""
        for attempt in range(1, _ATTEMPTS + 1):
            watch = Stopwatch()
            try:
                outcome = await self._outcome(question.text, watch)
            except ServiceUnavailable:
                if attempt == _ATTEMPTS:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            except Exception as error:  # noqa: BLE001 - what the service would answer is the outcome
                refused = service_error(error)
                outcome = {"refused": True, "reason": refused.reason}
                if "model_problem" in refused.metadata:
                    outcome["model_problem"] = refused.metadata["model_problem"]
            line = {"id": question.id, **outcome, "ms": watch.milliseconds()}
            return Asked(question.db, line, watch.planned())
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _outcome(self, text: str, watch: Stopwatch) -> Line:
        """Answers to the end, so that SQL which cannot run is none. Raises what the agent raises."""
        set_current_call(
            Call(
                request_id=str(uuid.uuid4()),
                method=_METHOD,
                deadline=time.monotonic() + _ANSWER_SECONDS,
                caller=self._caller,
            )
        )
        asked = Question(
            platform=self._platform.name, platform_uid=self._platform.uid, text=text, model=self._model
        )
        sql, failed = "", {}
        async for step in self._agent.work(asked):
            if isinstance(step, Understood | Clarification):
                watch.planned()
            if isinstance(step, ModelUse) and step.problem:
                failed = {"model_problem": step.problem}
            if isinstance(step, Clarification):
                return {"refused": True, "reason": ASKED_BACK, **failed}
            if isinstance(step, Written):
                sql = step.sql
        return {"sql": sql, **failed}


class Stopwatch:
    """Runs from its making on; times in milliseconds with one decimal."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._planned: float | None = None

    def milliseconds(self) -> float:
        """The time until now."""
        return round((time.perf_counter() - self._begun) * 1000, 1)

    def planned(self) -> float:
        """The time until this was first called: once understood, put back or refused."""
        if self._planned is None:
            self._planned = self.milliseconds()
        return self._planned


async def _fill(client: Client, platform: str, table: PackTable) -> None:
    """Makes a table and stores its rows. Raises PackUnreadable and CommandFailed."""
    await _create(client, platform, table)
    try:
        content = pa.parquet.read_table(table.file)
    except (pa.ArrowInvalid, OSError):
        raise PackUnreadable(table.file, "it is not Parquet that can be read") from None
    if set(content.column_names) != {column.name for column in table.columns}:
        raise PackUnreadable(table.file, "its columns are not those of schema.sql")
    for rows in row_batches(content, [one.name for one in table.columns if one.type == "JSON"]):
        receipt = await client.ingest_rows(platform, table.name, rows)
        if receipt.rejected:
            first = receipt.rejected[0]
            told = f"{table.file.name}: row {first.index} was rejected: {first.message}"
            raise CommandFailed(told, "Mend the file: a pack is evaluated whole or not at all.")


async def _create(client: Client, platform: str, table: PackTable) -> None:
    """Makes the table, or takes the platform's standard one of that name where it has the same columns."""
    columns = [
        table_pb2.Column(name=column.name, type=column.type, comment=column.comment)
        for column in table.columns
    ]
    wanted = table_pb2.Table(name=table.name, columns=columns, order_by=table.order_by, comment=table.comment)
    try:
        await client.create_table(platform, wanted)
    except ApiError as error:
        if error.reason not in ("TABLE_ALREADY_EXISTS", "TABLE_PROTECTED"):
            raise
        existing = await client.get_table(platform, table.name)
        if _shape(existing) != _shape(wanted):
            told = f"Every platform has a table {table.name} with other columns than the pack's."
            raise CommandFailed(told, "Name the pack's table otherwise.") from None


def _shape(table: table_pb2.Table) -> set[tuple[str, str]]:
    """Names and types of the columns; LowCardinality is a way to store, not a type of value."""
    return {(one.name, _WRAPPED.sub(r"\1", one.type)) for one in table.columns}


def row_batches(content: pa.Table, json_columns: list[str]) -> Iterator[list[Struct]]:
    """The rows as ingest takes them, in batches that fit a call; JSON columns come as text or structs."""
    texts = [name for name in json_columns if not pa.types.is_nested(content.schema.field(name).type)]
    plain = content.drop_columns(texts)
    for start in range(0, content.num_rows, _BATCH_ROWS):
        rows = rows_of(plain.slice(start, _BATCH_ROWS))
        for name in texts:
            values = content.column(name).slice(start, _BATCH_ROWS).to_pylist()
            for row, text in zip(rows, values, strict=True):
                _set_json(row, name, text)
        yield from pieces(rows)


def _set_json(row: Struct, name: str, text: str | bytes | None) -> None:
    if text is None:
        return  # a JSON column that a row does not name holds {}
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, dict):
        row.fields[name].struct_value.SetInParent()  # an empty object is one too
        row.fields[name].struct_value.update(value)
    else:
        row.fields[name].string_value = str(text)  # no object: the service says so, and in which row


def write_lines(lines: list[Line], path: Path) -> None:
    """Writes the lines, all of them or none."""
    with whole_file(path) as target:
        target.write("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode())
