"""Two platforms whose every value carries their mark, and generated calls that both make at once."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2, rollup_pb2, table_pb2
from aidatalabs_services.data import statements
from aidatalabs_services.data.ports import QueryLimits
from aidatalabs_services.data.query_ids import new_query_id
from tests.rpc.data.conftest import DEMO, OTHER, Data, python

_FIRST_SECOND = 1_767_225_600
_PASSING = ("OVERLOADED", "SERVICE_UNAVAILABLE", "RATE_LIMITED")
_TRUTH = QueryLimits(3.0, 1_000, 4 * 1024**2, 64 * 1024**2, 10**9, 10**12)


@dataclass(frozen=True)
class Side:
    """One platform: its word, the range of its numbers, and how many rows its tables have."""

    platform: str
    word: str
    base: int
    events: int
    orders: int

    def traces(self, text: str) -> list[str]:
        """What of this platform's is in a text."""
        numbers = f"{self.events}|{self.orders}|{self.base // 10**6}[0-9]{{6}}"
        return re.findall(rf"{self.word}|(?<![\w.-])(?:{numbers})(?![\w-])", text)


AMBER = Side(DEMO, "amberfox", 710_000_000, 2231, 2613)
BIRCH = Side(OTHER, "birchowl", 820_000_000, 2777, 2877)


async def fill(data: Data, side: Side) -> None:
    """Both platforms get tables of the same names, through the same calls with the same request ids."""
    await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=side.platform))
    events = []
    for number in range(side.events):
        event = ingest_pb2.Event(
            event_type=f"{side.word}-{number % 3}", user_id=side.base + number, value=side.base + number / 4
        )
        event.properties.update({"page": f"/{side.word}/{number % 7}", "n": side.base + number % 5})
        event.timestamp.FromSeconds(_FIRST_SECOND + number * 173)
        events.append(event)
    request = pb.IngestRequest(platform=side.platform, request_id="same-on-both", events=events)
    await data.call("Ingest", request)
    columns = [
        table_pb2.Column(name="city", type="String", comment=f"city of {side.word}"),
        table_pb2.Column(name="cents", type="Int64"),
        table_pb2.Column(name="at", type="DateTime"),
    ]
    for name in ("orders", f"{side.word}_private"):
        table = table_pb2.Table(name=name, columns=columns, order_by=["at"], comment=f"of {side.word}")
        await data.call("CreateTable", pb.CreateTableRequest(platform=side.platform, table=table))
    sql = (
        f"INSERT INTO orders SELECT '{side.word}-' || toString(number % 5), {side.base} + number,"
        f" toDateTime({_FIRST_SECOND}) + number * 600 FROM numbers({side.orders})"
    )
    await data.warehouse.execute(await data.uid(side.platform), sql, table="orders")
    declared = rollup_pb2.Rollup(
        name="orders_by_day",
        table="orders",
        time_column="at",
        grain=rollup_pb2.Rollup.DAY,
        dimensions=["city"],
        measures=[rollup_pb2.RollupMeasure(column="cents", kind=rollup_pb2.RollupMeasure.SUM)],
    )
    await data.call("CreateRollup", pb.CreateRollupRequest(platform=side.platform, rollup=declared))


@dataclass(frozen=True)
class Ask:
    """One call as both platforms make it."""

    method: str
    sql: str = ""
    staleness: int = 0
    relative_error: float = 0.0
    from_rows: bool = False
    form: pb.ExportRequest.Format.ValueType = pb.ExportRequest.JSONL

    def request(self, platform: str) -> Any:
        """The message of this platform."""
        if self.method == "Query":
            made = pb.QueryRequest(platform=platform, sql=self.sql, max_rows=500)
            made.max_relative_error, made.exclude_rollups = self.relative_error, self.from_rows
            if self.staleness:
                made.max_staleness.seconds = self.staleness
            return made
        if self.method == "Export":
            return pb.ExportRequest(platform=platform, sql=self.sql, format=self.form)
        if self.method == "GetReceipt":
            return pb.GetReceiptRequest(platform=platform, request_id="same-on-both")
        kinds: dict[str, Any] = {
            "StreamQuery": pb.StreamQueryRequest,
            "ExplainQuery": pb.ExplainQueryRequest,
            "DescribeSchema": pb.DescribeSchemaRequest,
            "ListTables": pb.ListTablesRequest,
            "ListRollups": pb.ListRollupsRequest,
        }
        return kinds[self.method](platform=platform, **({"sql": self.sql} if self.sql else {}))


_AGGREGATES = """count()|sum(user_id)|uniq(user_id)|max(user_id)|min(event_type)|max(value)|any(event_type)
groupUniqArray(5)(event_type)|quantile(0.5)(value)|countIf(value > 0)|max(toString(properties.page))
argMax(event_type, user_id)|avg(value)""".replace("\n", "|").split("|")
_KEYS = [
    "event_type",
    "toStartOfHour(timestamp)",
    "toDate(timestamp)",
    "user_id % 3",
    "toString(properties.page)",
]
_WRONG = [
    "SELECT toUInt8(event_type) FROM events",
    "SELECT toDate(if(value > {k}, event_type, '2026-01-01')) AS d, event_type FROM events",
    "SELECT nosuch FROM events WHERE event_type = 'x{k}'",
    "SELECT * FROM birchow_private",
    "SELECT * FROM amberfo_private",
    "SELECT * FROM orders_{k}",
]
# Too large for an answer, and for memory; a stream would be long.
_LARGE = [
    "SELECT repeat(event_type, 1900), a.user_id FROM events AS a, orders AS b WHERE b.cents > {k}",
    "SELECT groupArray(repeat(a.event_type, 900)) FROM events AS a, orders AS b WHERE b.cents > {k}",
]


def _rows(chance: random.Random) -> str:
    k = chance.randrange(2000)
    aggregates = ", ".join(chance.sample(_AGGREGATES, chance.randint(1, 3)))
    key = chance.choice(_KEYS)
    moment = f"toDateTime({_FIRST_SECOND + chance.randrange(200_000)})"
    where = chance.choice(
        ["", f"WHERE timestamp >= {moment}", f"WHERE user_id % 7 != {k % 7}", f"WHERE value > {k}"]
    )
    return chance.choice(
        [
            f"SELECT {aggregates} FROM events {where}",
            f"SELECT {key} AS k, {aggregates} FROM events {where} GROUP BY k ORDER BY k",
            f"SELECT event_type, user_id, value, properties FROM events {where} ORDER BY user_id"
            f" LIMIT {k % 40 + 1}",
            f"SELECT city, sum(cents), count() FROM orders WHERE cents > {k} GROUP BY city ORDER BY 1",
            "SELECT city, toDate(at) AS d, sum(cents) AS s, count() FROM orders GROUP BY city, d"
            " ORDER BY city, d",
            "SELECT o.city, count() AS c FROM orders AS o JOIN events AS e"
            f" ON toDate(o.at) = toDate(e.timestamp) WHERE e.user_id % 50 = {k % 50}"
            " GROUP BY o.city ORDER BY o.city",
            f"SELECT event_type, count(), min(timestamp) < now() FROM events {where} GROUP BY 1 ORDER BY 1",
            f"WITH top AS (SELECT event_type AS t, max(user_id) AS m FROM events GROUP BY t) SELECT t, m, {k}"
            " FROM top ORDER BY t",
            f"SELECT event_type AS w, user_id AS n FROM events WHERE user_id % 97 = {k % 97} UNION ALL"
            f" SELECT city, cents FROM orders WHERE cents % 89 = {k % 89}",
        ]
    )


def asks(seed: int, count: int) -> Iterator[Ask]:
    """Generated calls: most of them queries, each fourth by another method, each eighth to be refused."""
    chance = random.Random(seed)
    for _ in range(count):
        kind = chance.random()
        if kind < 0.03:
            yield Ask("Query", chance.choice(_LARGE).format(k=chance.randrange(1000)))
        elif kind < 0.12:
            sql = chance.choice(_WRONG).format(k=chance.randrange(1000))
            yield Ask(chance.choice(["Query", "StreamQuery", "Export", "ExplainQuery"]), sql)
        elif kind < 0.2:
            yield Ask(chance.choice(["DescribeSchema", "ListTables", "GetReceipt", "ListRollups"]))
        elif kind < 0.28:
            yield Ask("ExplainQuery", _rows(chance))
        elif kind < 0.36:
            yield Ask("StreamQuery", _rows(chance))
        elif kind < 0.44:
            yield Ask(
                "Export", _rows(chance), form=chance.choice([pb.ExportRequest.CSV, pb.ExportRequest.JSONL])
            )
        else:
            yield Ask(
                "Query",
                _rows(chance),
                staleness=chance.choice([0, 0, 60]),
                relative_error=chance.choice([0.0, 0.05]),
                from_rows=chance.random() < 0.2,
            )


@dataclass(frozen=True)
class Got:
    """All that one call gave: the text of it, and the rows of a query or the reason of its refusal."""

    text: str
    rows: list[Any] | None = None
    reason: str = ""


async def called(data: Data, ask: Ask, side: Side) -> Got:
    """One call, repeated while the service is busy."""
    while True:
        call = getattr(data.stub, ask.method)(
            ask.request(side.platform), metadata=data.mint.metadata(), timeout=60
        )
        refusal = None
        try:
            if ask.method in ("StreamQuery", "Export"):
                pieces = [piece async for piece in call]
                sent = (getattr(piece, "arrow_ipc", b"") or getattr(piece, "data", b"") for piece in pieces)
                return Got(b"".join(sent).decode("utf-8", "replace"))
            answer = await call
        except grpc.aio.AioRpcError:
            refusal = await rpc_status.aio.from_call(call)
        else:
            rows = [python(row) for row in answer.result.rows] if ask.method == "Query" else None
            return Got(str(MessageToDict(answer)), rows)
        assert refusal is not None, ask
        info = error_details_pb2.ErrorInfo()
        assert any(detail.Unpack(info) for detail in refusal.details), refusal
        if info.reason not in _PASSING:
            return Got(f"{refusal} {info}", reason=info.reason)
        await asyncio.sleep(0.05)


def bleeds(got: Got, mine: Side, other: Side) -> list[str]:
    """What of the other platform is in an answer."""
    return other.traces(got.text.replace(mine.platform, ""))


async def truth(data: Data, ask: Ask, side: Side) -> int | None:
    """How many rows the platform's engine itself gives, none where it refuses; asked past the service."""
    uid = await data.uid(side.platform)
    schema = await data.warehouse.schema(uid)
    tables = {name: statements.TableSchema(name, table.types) for name, table in schema.items()}
    admitted = statements.admit(ask.sql, tables, database=data.warehouse.database_of(uid))
    outcome = await data.warehouse.query(uid, admitted.sql, limits=_TRUTH, query_id=new_query_id())
    return len(outcome.rows)
