"""The fake server, as users' own tests lean on it: it does what it was told, and says when it was not."""

from __future__ import annotations

import datetime
import io

import pyarrow.parquet
import pytest

from aidatalabs.common.v1.access_service_pb2 import ROLE_VIEWER
from aidatalabs.data.v1 import data_service_pb2, table_pb2
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs_client import Client, SyncClient, errors
from aidatalabs_client.testing import Failure, FakeServer
from aidatalabs_client.testing.workspace import page

P = "platforms/demo"
ROWS = [{"month": 1, "flights": 27_004, "at": datetime.datetime(2013, 1, 1, tzinfo=datetime.UTC)}]


def test_a_scripted_question_is_answered_however_it_is_spaced_or_capitalised() -> None:
    with FakeServer() as fake, SyncClient(fake.address, "t") as client:
        fake.answer("Flights per month", "27,004.", sql="SELECT 1", rows=ROWS, chart={"mark": "bar"})
        answer = client.ask(P, "flights  PER month")
        events = list(client.stream_answer(P, "flights per month"))
    assert (answer.answer, answer.sql, answer.rows(), answer.chart) == (
        "27,004.",
        "SELECT 1",
        ROWS,
        {"mark": "bar"},
    )
    assert answer.proof.produced_by == "fake"
    assert [event.event for event in events] == ["sql", "rows", "chart", "answer", "proof", "done"]
    assert events[3].data.answer == "27,004."


def test_what_nobody_scripted_is_refused_and_the_words_say_how_to() -> None:
    with FakeServer() as fake, SyncClient(fake.address, "t") as client:
        with pytest.raises(errors.QuestionNotAnswerable, match=r"use fake\.answer"):
            client.ask(P, "why?")
        with pytest.raises(errors.QueryFailed, match=r"use fake\.result"):
            client.query(P, "SELECT 1")
        with pytest.raises(errors.NotBuiltYet, match="The fake server has no"):
            client.optimize(P, "SELECT 1")


def test_a_question_can_be_asked_back() -> None:
    with FakeServer() as fake, SyncClient(fake.address, "t") as client:
        fake.ask_back("delay", "Which delay?", ["departure delay", "arrival delay"])
        asked = client.ask(P, "delay").clarification
    assert asked is not None
    assert [choice.question for choice in asked.choices] == ["departure delay", "arrival delay"]


def test_a_scripted_result_comes_as_rows_arrow_and_files() -> None:
    with FakeServer() as fake, SyncClient(fake.address, "t") as client:
        fake.result("SELECT 1", ROWS * 3)
        some = client.query(P, "select 1", max_rows=2)
        whole = client.query_arrow(P, "SELECT 1")
        csv = b"".join(client.export(P, "SELECT 1", "CSV")).decode()
        parquet = b"".join(client.export(P, "SELECT 1", "PARQUET"))
        lines = b"".join(client.export(P, "SELECT 1", "JSONL"))
        assert client.explain_query(P, "SELECT 1").estimated_rows == 3
    assert (some.rows(), some.truncated) == (ROWS * 2, True)
    assert whole.to_pylist() == ROWS * 3
    assert csv.splitlines()[:2] == ["month,flights,at", "1,27004,2013-01-01 00:00:00+00:00"]
    assert pyarrow.parquet.read_table(io.BytesIO(parquet)).num_rows == 3
    assert lines.count(b"\n") == 3


async def test_platforms_members_and_tables_are_kept_in_memory() -> None:
    async with FakeServer(platforms=[]) as fake, Client(fake.address, "t") as client:
        made = await client.create_platform("shop", "Shop")
        with pytest.raises(errors.PlatformAlreadyExists):
            await client.create_platform("shop")
        renamed = platform_pb2.Platform(name=made.name, display_name="Store", etag=made.etag)
        assert (await client.update_platform(renamed)).display_name == "Store"
        with pytest.raises(errors.EtagMismatch):
            await client.update_platform(renamed)
        await client.set_member(made.name, platform_pb2.Member(member="allUsers", role=ROLE_VIEWER))
        assert [one.member for one in await client.list_members(made.name)][1] == "allUsers"
        await client.remove_member(made.name, "allUsers")
        assert len(await client.list_members(made.name)) == 1
        schema = await client.describe_schema(made.name)
        assert [table.name for table in schema.tables] == ["events"]
        with pytest.raises(errors.TableProtected):
            await client.drop_table(made.name, "events")
        assert [user.email for user in await client.list_users()] == ["ana@example.com"]
        await client.delete_platform(made.name)
        assert await client.list_platforms() == []


async def test_one_request_id_with_other_rows_is_refused_as_the_mesh_does() -> None:
    event = {"timestamp": "2026-01-02T03:04:05Z", "event_type": "click"}
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        first = await client.ingest_events(P, [event], request_id="r-1")
        again = await client.ingest_events(P, [event], request_id="r-1")
        with pytest.raises(errors.IdempotencyMismatch):
            await client.ingest_events(P, [event, event], request_id="r-1")
    assert (first.duplicate_count, again.duplicate_count) == (0, 1)
    assert len(fake.rows("events")) == 1


async def test_calls_are_refused_as_often_and_where_it_was_told() -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        fake.fail("INTERNAL", "INTERNAL", method="GetTable", times=2, metadata={"a": "b"})
        assert await client.list_tables(P)
        for _ in range(2):
            with pytest.raises(errors.Internal) as caught:
                await client.get_table(P, "events")
            assert caught.value.metadata == {"a": "b"}
        assert (await client.get_table(P, "events")).name == "events"
    assert fake.calls[0].method == "DataService/ListTables"


async def test_what_one_fake_was_told_of_its_tables_another_does_not_know() -> None:
    extra = table_pb2.Column(name="extra", type="String")
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        with pytest.raises(errors.TableProtected):
            await client.add_column(P, "events", extra)
        orders = table_pb2.Table(name="orders", columns=[table_pb2.Column(name="id", type="UInt64")])
        await client.create_table(P, orders)
        await client.add_column(P, "orders", extra)
        sent = next(call.request for call in fake.calls if call.method == "DataService/CreateTable")
        assert len(sent.table.columns) == 1, "a recorded call stays as it was sent"
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        names = [column.name for column in (await client.get_table(P, "events")).columns]
    assert names == ["timestamp", "event_type", "user_id", "properties", "value"]


def test_rows_of_a_result_may_miss_a_value_and_a_strange_page_token_is_refused() -> None:
    with FakeServer() as fake, SyncClient(fake.address, "t") as client:
        fake.result("SELECT 1", [{"a": 1}, {"a": 2, "b": "x"}])
        found = client.query(P, "SELECT 1")
        assert found.rows() == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]
        assert [column.type for column in found.columns] == ["Int64", "Nullable(String)"]
    request = data_service_pb2.ListTablesRequest(page_token="zzz")
    with pytest.raises(Failure) as caught:
        page([], request)
    assert caught.value.reason == "PAGE_TOKEN_INVALID"


async def test_typed_paths_are_suggested_declared_kept_to_and_taken_back() -> None:
    events: list[dict[str, object]] = [
        {
            "timestamp": "2026-01-02T03:04:05Z",
            "event_type": "buy",
            "properties": {"page": "/a", "cart": {"total": total}, "mixed": mixed},
        }
        for total, mixed in ((2, "x"), (2.5, 1))
    ]
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        await client.ingest_events(P, events)
        suggested = await client.suggest_paths(P, "events")
        assert {each.path: each.suggested_type for each in suggested.paths} == {
            "page": "Nullable(String)",
            "cart.total": "Nullable(Float64)",
            "mixed": "",
        }
        with pytest.raises(errors.PathValuesMisfit) as caught:
            await client.type_paths(P, "events", {"mixed": "Int64"})
        assert caught.value.metadata["path"] == "mixed"
        types = {"page": "LowCardinality(String)", "cart.total": "Float64"}
        plan = await client.type_paths(P, "events", types, validate_only=True)
        assert (plan.changed, len(plan.changes)) == (False, 2)
        done = await client.type_paths(P, "events", types)
        told = "JSON(`cart.total` Nullable(Float64), page LowCardinality(Nullable(String)))"
        assert (done.changed, done.type_after) == (True, told)
        assert not (await client.type_paths(P, "events", types)).changed
        column = next(each for each in (await client.get_table(P, "events")).columns if "JSON" in each.type)
        assert column.type == told
        wrong = events[0] | {"properties": {"page": 7}}
        receipt = await client.ingest_events(P, [wrong, events[0]])
        assert (receipt.accepted_count, [row.index for row in receipt.rejected]) == (1, [0])
        back = await client.type_paths(P, "events", untype=list(types))
        assert (back.type_before, back.type_after) == (told, "JSON")


async def test_paths_are_declared_of_json_columns_and_with_types_that_have_null() -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        with pytest.raises(errors.TypeNotAllowed):
            await client.type_paths(P, "events", {"tags": "Array(String)"})
        with pytest.raises(errors.TableInvalid):
            await client.suggest_paths(P, "events", "value")
        with pytest.raises(errors.ColumnNotKnown):
            await client.suggest_paths(P, "events", "nothing")
