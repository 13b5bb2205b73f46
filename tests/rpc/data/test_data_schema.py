"""DescribeSchema on a real engine: profiles of columns and JSON paths, measured when rows changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import table_pb2, typed_path_pb2
from aidatalabs_services.data.adapters.measured_warehouse import MeasuredWarehouse
from aidatalabs_services.data.catalog import Catalogue, TableProfile
from aidatalabs_services.data.ports import QueryLimits, QueryOutcome
from aidatalabs_services.data.query_parts import query_limits
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.data.versions import DataVersions
from aidatalabs_services.runtime.metrics import Metrics
from tests.rpc.data.conftest import DEMO, VIEWER, Data, settings_in

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def make(data: Data, name: str, columns: dict[str, str], rows: list[dict[str, Any]]) -> None:
    described = table_pb2.Table(
        name=name,
        comment=f"about {name}",
        columns=[
            table_pb2.Column(name=each, type=kind, comment=f"the {each}") for each, kind in columns.items()
        ],
    )
    await data.call("CreateTable", pb.CreateTableRequest(platform=DEMO, table=described))
    if rows:
        lines = "\n".join(json.dumps(row) for row in rows).encode()
        await data.warehouse.insert_block(
            await data.uid(), name, list(columns), lines, format_name="JSONEachRow", token=name
        )


async def describe(
    data: Data, name: str
) -> tuple[table_pb2.TableProfile, dict[str, table_pb2.ColumnProfile]]:
    answer = await data.call("DescribeSchema", pb.DescribeSchemaRequest(platform=DEMO))
    table = next(each for each in answer.tables if each.name == name)
    return table, {column.name: column for column in table.columns}


async def test_profiles_tell_ranges_distinct_counts_nulls_and_values(data: Data) -> None:
    await make(
        data,
        "profiled",
        {
            "n": "Int32",
            "maybe": "Nullable(Float64)",
            "word": "LowCardinality(String)",
            "state": "Enum8('new' = 1, 'done' = 2)",
            "at": "DateTime64(3)",
            "day": "Date",
            "price": "Decimal(10, 2)",
            "key": "UUID",
            "tags": "Array(String)",
            "flag": "Bool",
        },
        [
            {
                "n": number - 5,
                "maybe": None if number % 4 == 0 else number / 2,
                "word": "often" if number % 10 else f"rare {number}",
                "state": "done",
                "at": f"2026-01-01 00:00:{number % 60:02d}.500",
                "day": "2026-01-01",
                "price": "1.10",
                "key": "893def71-8223-4e82-8689-f97fb8cdb97c",
                "tags": ["x"],
                "flag": bool(number % 2),
            }
            for number in range(100)
        ],
    )
    table, columns = await describe(data, "profiled")
    assert (table.row_count, table.comment) == (100, "about profiled")
    n = columns["n"]
    assert (n.type, n.comment, n.distinct_count, n.minimum, n.maximum) == ("Int32", "the n", 100, "-5", "94")
    assert (n.null_share, list(n.values), n.values_complete) == (0.0, [], False)
    assert (columns["maybe"].null_share, columns["maybe"].distinct_count) == (0.25, 75)
    assert (columns["maybe"].minimum, columns["maybe"].maximum) == ("0.5", "49.5")
    word = columns["word"]
    assert list(word.values) == ["often", *sorted(f"rare {number}" for number in range(0, 100, 10))]
    assert (word.distinct_count, word.values_complete) == (11, True)
    assert list(columns["state"].values) == ["done"]
    assert columns["at"].minimum == "2026-01-01T00:00:00.500Z"
    assert columns["at"].maximum == "2026-01-01T00:00:59.500Z"
    assert (columns["day"].minimum, columns["price"].maximum) == ("2026-01-01", "1.1")
    assert columns["key"].distinct_count == 1
    assert not columns["key"].HasField("minimum")
    assert not columns["tags"].HasField("distinct_count")
    assert (columns["flag"].minimum, columns["flag"].maximum) == ("false", "true")
    assert list(columns) == ["n", "maybe", "word", "state", "at", "day", "price", "key", "tags", "flag"]


async def test_text_of_many_values_lists_the_most_frequent(data: Data) -> None:
    rows = [{"few": f"f{number % 2000}", "many": f"m{number % 2500}"} for number in range(5000)]
    rows += [{"few": "f1", "many": "m7"}] * 50
    await make(data, "texts", {"few": "String", "many": "String"}, rows)
    _, columns = await describe(data, "texts")
    few, many = columns["few"], columns["many"]
    assert (few.distinct_count, len(few.values), few.values_complete) == (2000, 2000, True)
    assert few.values[0] == "f1"
    assert (many.distinct_count, len(many.values), many.values_complete) == (2500, 200, False)
    assert many.values[0] == "m7"


async def test_long_values_are_cut_and_then_not_complete(data: Data) -> None:
    await make(data, "long_texts", {"t": "String"}, [{"t": "é" * 150}, {"t": "short"}])
    _, columns = await describe(data, "long_texts")
    assert sorted(columns["t"].values) == ["short", "é" * 100]
    assert not columns["t"].values_complete
    assert columns["t"].maximum == "é" * 100


async def test_json_paths_have_profiles_after_their_column(data: Data) -> None:
    rows = [
        {
            "doc": {
                "page": f"/p{number % 3}",
                "deep": {"er": number},
                "mixed": number if number < 2 else "text",
                "tags": ["a"],
                **({"rare`": True} if number == 0 else {}),
            },
            "n": number,
        }
        for number in range(10)
    ]
    await make(data, "documents", {"doc": "JSON", "n": "Int32"}, rows)
    table, columns = await describe(data, "documents")
    assert [column.name for column in table.columns] == [
        "doc", "doc.deep.er", "doc.mixed", "doc.page", "doc.rare`", "doc.tags", "n",
    ]  # fmt: skip
    page = columns["doc.page"]
    assert (page.type, page.path_of, page.null_share, list(page.values), page.values_complete) == (
        "String",
        "doc",
        0.0,
        ["/p0", "/p1", "/p2"],
        True,
    )
    deep = columns["doc.deep.er"]
    assert (deep.type, deep.minimum, deep.maximum, deep.distinct_count) == ("Int64", "0", "9", 10)
    mixed = columns["doc.mixed"]
    assert (mixed.type, list(mixed.values), mixed.values_complete) == ("String", ["text"], False)
    assert mixed.null_share == 0.0
    assert columns["doc.rare`"].null_share == pytest.approx(0.9)
    assert columns["doc.tags"].type == "Array(Nullable(String))"


async def test_declared_paths_are_told_from_dynamic_ones(data: Data) -> None:
    """A query names them alone: the engine knows no `.:String` of a path that has a type of its own."""
    kind = "JSON(a.b LowCardinality(String), page Nullable(String))"
    rows = [{"doc": {"page": "/p", "a": {"b": "x"}, "more": "y", "tags": [1]}}]
    await make(data, "declared", {"doc": kind}, rows)
    _, columns = await describe(data, "declared")
    assert {name: (column.type, column.is_declared) for name, column in columns.items()} == {
        "doc": ("JSON(`a.b` LowCardinality(String), page Nullable(String))", False),
        "doc.a.b": ("LowCardinality(String)", True),
        "doc.more": ("String", False),
        "doc.page": ("Nullable(String)", True),
        "doc.tags": ("Array(Nullable(Int64))", False),
    }


async def test_no_key_of_an_object_stands_in_the_way_of_a_description(data: Data) -> None:
    """One event with such a key would leave the whole platform without answers."""
    keys = ["a\0b", "`", "\\", "'", '"', "file", "\n", "\x01", "--", "{x:UInt8}", "\u201c", "SETTINGS", "%s"]
    await make(data, "strange", {"doc": "JSON"}, [{"doc": dict.fromkeys(keys, "v")}])
    _, columns = await describe(data, "strange")
    assert set(columns) == {"doc", *(f"doc.{key}" for key in keys)}
    assert {tuple(column.values) for name, column in columns.items() if name != "doc"} == {("v",)}
    asked = typed_path_pb2.SuggestPathsRequest(platform=DEMO, table="strange", column="doc")
    assert len((await data.call("SuggestPaths", asked)).paths) == len(keys)


async def test_an_empty_table_is_described_without_figures(data: Data) -> None:
    await make(data, "empty", {"a": "String", "j": "JSON"}, [])
    table, columns = await describe(data, "empty")
    assert (table.row_count, list(columns)) == (0, ["a", "j"])
    assert not columns["a"].HasField("distinct_count")
    assert columns["a"].comment == "the a"


async def test_versions_change_with_rows_and_with_columns(data: Data) -> None:
    ask = pb.DescribeSchemaRequest(platform=DEMO)
    first = await data.call("DescribeSchema", ask, user=VIEWER)
    assert await data.call("DescribeSchema", ask) == first
    await make(data, "newcomer", {"a": "String"}, [])
    second = await data.call("DescribeSchema", ask)
    assert second.schema_version != first.schema_version
    await make(data, "newcomer", {"a": "String"}, [{"a": "x"}])
    third = await data.call("DescribeSchema", ask)
    assert (third.schema_version, third.data_version == second.data_version) == (second.schema_version, False)


class Counting:
    """A warehouse that counts the statements that profiles run."""

    def __init__(self, data: Data) -> None:
        self._inner = data.warehouse
        self.statements: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def query(self, uid: str, sql: str, *, limits: QueryLimits, query_id: str) -> QueryOutcome:
        self.statements.append(sql)
        return await self._inner.query(uid, sql, limits=limits, query_id=query_id)


def catalogue(counting: Counting, sample_rows: int) -> Catalogue:
    schemas = SchemaCache(counting.schema, ttl_seconds=0)
    limits = query_limits(settings_in(Path("unused")))
    return Catalogue(
        counting, schemas, DataVersions(counting.fingerprints), limits, sample_rows=sample_rows, seconds=10
    )


async def test_a_version_that_is_known_is_not_looked_for_again_until_something_is_written(data: Data) -> None:
    await make(data, "watched", {"a": "String"}, [{"a": "x"}])
    uid, readings = await data.uid(), list[str]()
    store = MeasuredWarehouse(data.warehouse, Metrics())

    async def read(platform: str) -> Mapping[str, str]:
        readings.append(platform)
        return await store.fingerprints(platform)

    schemas = SchemaCache(store.schema, ttl_seconds=60)
    limits = query_limits(settings_in(Path("unused")))
    versions = DataVersions(read, store.writes)
    catalog = Catalogue(store, schemas, versions, limits, sample_rows=1000, seconds=10)
    first = await catalog.describe(uid)
    for _ in range(3):
        same = await catalog.describe(uid, known_data_version=first.data_version)
        assert (same.tables, same.data_version) == ((), first.data_version)
        assert same.schema_version == first.schema_version
    assert len(readings) == 1
    await store.insert_block(uid, "watched", ["a"], b'{"a":"y"}', format_name="JSONEachRow", token="another")
    second = await catalog.describe(uid, known_data_version=first.data_version)
    assert one(second.tables, "watched").row_count == 2
    assert len(readings) == 2
    other = await catalog.describe(uid, known_data_version=first.data_version)
    assert (len(other.tables), other.data_version) == (len(second.tables), second.data_version)


async def test_a_table_is_measured_once_for_all_callers_and_again_after_a_change(data: Data) -> None:
    await make(data, "measured", {"a": "String"}, [{"a": "x"}])
    uid, counting = await data.uid(), Counting(data)
    catalog = catalogue(counting, 1000)

    def measured() -> int:
        return sum("FROM `measured`" in sql for sql in counting.statements)

    await asyncio.gather(*(catalog.describe(uid) for _ in range(8)))
    await catalog.describe(uid)
    assert measured() == 1
    await data.warehouse.insert_block(
        uid, "measured", ["a"], b'{"a":"y"}', format_name="JSONEachRow", token="y"
    )
    described = await catalog.describe(uid)
    assert measured() == 2
    assert list(one(described.tables, "measured").columns[0].values) == ["x", "y"]


async def test_a_caller_who_goes_away_leaves_the_measuring_to_the_others(data: Data) -> None:
    uid, counting = await data.uid(), Counting(data)
    catalog = catalogue(counting, 1000)
    first = asyncio.create_task(catalog.describe(uid))
    second = asyncio.create_task(catalog.describe(uid))
    while not counting.statements:
        await asyncio.sleep(0.001)
    first.cancel()
    described = await second
    assert {"events", "events_hourly"} <= {table.schema.name for table in described.tables}


async def test_a_large_table_is_sampled_but_its_range_of_time_is_whole(data: Data) -> None:
    uid, counting = await data.uid(), Counting(data)
    columns = [table_pb2.Column(name="at", type="DateTime"), table_pb2.Column(name="n", type="UInt64")]
    table = table_pb2.Table(name="large", columns=columns, order_by=["at"])
    await data.call("CreateTable", pb.CreateTableRequest(platform=DEMO, table=table))
    fill = "INSERT INTO large SELECT toDateTime('2026-01-01 00:00:00') + number, number FROM numbers(200000)"
    await data.warehouse.execute(uid, fill, table="large")
    described = one((await catalogue(counting, 50_000).describe(uid)).tables, "large")
    at, n = described.columns
    assert described.row_count == 200_000
    assert (at.minimum, at.maximum) == ("2026-01-01T00:00:00Z", "2026-01-03T07:33:19Z")
    assert n.distinct_count is not None
    assert 8_000 <= n.distinct_count <= 120_000


async def test_what_needs_too_much_is_described_without_figures(data: Data) -> None:
    await make(data, "costly", {"a": "String"}, [{"a": str(number)} for number in range(50)])
    uid, counting = await data.uid(), Counting(data)
    limits = replace(query_limits(settings_in(Path("unused"))), max_rows_to_read=10)
    schemas, versions = SchemaCache(counting.schema, ttl_seconds=0), DataVersions(counting.fingerprints)
    catalog = Catalogue(counting, schemas, versions, limits, sample_rows=1000, seconds=5)
    described = one((await catalog.describe(uid)).tables, "costly")
    assert (described.row_count, described.columns[0].distinct_count) == (50, None)


def one(tables: Sequence[TableProfile], name: str) -> TableProfile:
    return next(table for table in tables if table.schema.name == name)
