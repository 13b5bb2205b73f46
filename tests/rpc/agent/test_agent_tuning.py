"""Optimize: what is recommended ran on the engine and gave the same rows; what does not help is told so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
import pytest_asyncio

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs.agent.v1 import agent_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.data.v1 import data_service_pb2_grpc as data_pb_grpc
from aidatalabs.data.v1 import table_pb2
from aidatalabs_services.agent.bootstrap import bootstrap
from aidatalabs_services.agent.settings import AgentSettings
from aidatalabs_services.data import bootstrap as data_bootstrap
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import open_channel, peer_errors
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import ALICE, BOB, StaticRoles, TokenMint, running, running_server
from tests.attacks.outcomes import read, text_of
from tests.rpc.agent.world import SHOP, STRANGER, Agent

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = 200_000
ROLES = StaticRoles(platforms={(SHOP, ALICE): Role.ADMIN, (SHOP, BOB): Role.VIEWER})
BEGIN = datetime(2022, 1, 1, tzinfo=UTC)
COLUMNS = {"id": "UInt64", "at": "DateTime", "town": "String", "amount": "Float64"}


def sales() -> bytes:
    """A row every five minutes, in the order of `id`."""
    table = pa.table(
        {
            "id": pa.array(range(ROWS), pa.uint64()),
            "at": pa.array([BEGIN + timedelta(minutes=5 * n) for n in range(ROWS)], pa.timestamp("s", "UTC")),
            "town": pa.array([f"town {n % 50}" for n in range(ROWS)]),
            "amount": pa.array([float(n % 7) for n in range(ROWS)]),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


@dataclass
class Bench:
    agent: Agent
    data: Any
    mint: TokenMint

    async def tuned(self, sql: str, *, user: str = BOB) -> pb.OptimizeResponse:
        request = pb.OptimizeRequest(platform=SHOP, sql=sql)
        answer: pb.OptimizeResponse = await self.agent.call("Optimize", request, user=user)
        return answer

    async def refusal(self, sql: str, *, user: str = BOB) -> ServiceError:
        with pytest.raises(ServiceError) as caught:
            await self.tuned(sql, user=user)
        return caught.value


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    mint = TokenMint()
    folder = tmp_path_factory.mktemp("data")
    settings = DataSettings(listen_address="127.0.0.1:0", jwks_url="http://127.0.0.1:9", directory=folder)
    async with running_server(data_bootstrap.bootstrap(settings), mint=mint, roles=ROLES) as data:
        agent_settings = AgentSettings(
            listen_address="127.0.0.1:0", jwks_url="http://127.0.0.1:9", data_address=data.address
        )
        async with running(bootstrap(agent_settings), mint=mint, roles=ROLES) as channel:
            data_channel = open_channel(data.address)
            stub = data_pb_grpc.DataServiceStub(data_channel)
            made = Bench(Agent(pb_grpc.AgentServiceStub(channel), mint), stub, mint)
            await fill(made)
            yield made
            await data_channel.close()


async def fill(made: Bench) -> None:
    metadata = made.mint.metadata(ALICE)
    columns = [table_pb2.Column(name=name, type=kind) for name, kind in COLUMNS.items()]
    with peer_errors("data"):
        provision = data_pb.ProvisionPlatformRequest(platform=SHOP)
        await made.data.ProvisionPlatform(provision, metadata=metadata, timeout=30)
        for name, order in (("by_time", ["at"]), ("by_id", ["id"])):
            table = table_pb2.Table(name=name, columns=columns, order_by=order)
            create = data_pb.CreateTableRequest(platform=SHOP, table=table)
            await made.data.CreateTable(create, metadata=metadata, timeout=20)
            batch = data_pb.IngestStreamRequest(platform=SHOP, table=name, batch_id=name, arrow_ipc=sales())
            call = made.data.IngestStream(iter([batch]), metadata=metadata, timeout=30)
            assert [one.receipt.accepted_count async for one in call] == [ROWS]


async def test_a_range_in_place_of_a_function_is_recommended_with_what_it_saved(bench: Bench) -> None:
    tuned = await bench.tuned("SELECT count() FROM by_time WHERE formatDateTime(at, '%Y-%m') = '2023-02'")
    best = tuned.recommendations[0]
    assert "at >= '2023-02-01 00:00:00' AND at < '2023-03-01 00:00:00'" in best.sql
    assert (best.kind, best.same_result) == ("rewrite", True)
    assert best.run_count >= 3
    assert best.before.read_rows == ROWS
    assert best.after.read_rows < ROWS / 5
    assert best.before.elapsed_seconds > 0 < best.after.elapsed_seconds
    with peer_errors("data"):
        again = await bench.data.Query(
            data_pb.QueryRequest(platform=SHOP, sql=best.sql), metadata=bench.mint.metadata(BOB), timeout=20
        )
    assert again.result.rows[0].values[0].number_value == 28 * 24 * 12


async def test_the_number_itself_reads_less_than_its_text(bench: Bench) -> None:
    tuned = await bench.tuned("SELECT town FROM by_id WHERE toString(id) = '4242'")
    assert [one.after.read_rows < ROWS / 5 for one in tuned.recommendations] == [True], tuned


async def test_what_does_not_help_is_told_as_such_and_not_recommended(bench: Bench) -> None:
    tuned = await bench.tuned("SELECT DISTINCT town, count() FROM by_id GROUP BY town")
    assert not tuned.recommendations
    (tried,) = tuned.tried
    assert tried.same_result
    assert "did not help" in tried.rationale
    assert "none helped" in tuned.summary


async def test_a_query_that_no_rule_knows_says_so(bench: Bench) -> None:
    tuned = await bench.tuned("SELECT sum(amount) FROM by_id")
    assert not tuned.recommendations
    assert not tuned.tried
    assert "no rewrite is known" in tuned.summary


async def test_a_query_that_gives_other_rows_each_time_is_not_judged(bench: Bench) -> None:
    tuned = await bench.tuned("SELECT rand() AS r, town FROM by_time WHERE toYear(at) = 2023 LIMIT 5")
    assert not tuned.recommendations
    assert not tuned.tried
    assert "other rows each time" in tuned.summary


async def test_a_result_too_large_to_compare_is_not_judged(bench: Bench) -> None:
    tuned = await bench.tuned("SELECT id FROM by_time WHERE toYear(at) = 2023")
    assert not tuned.recommendations
    assert "too many to compare" in tuned.summary


async def test_a_roll_up_that_holds_the_figures_is_measured_too(bench: Bench) -> None:
    tuned = await bench.tuned("SELECT count() FROM events")
    kinds = {one.kind for one in (*tuned.recommendations, *tuned.tried)}
    assert kinds <= {"rollup"}


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("DROP TABLE by_id", "QUERY_NOT_READ_ONLY"),
        ("SELECT * FROM file('/etc/passwd')", "FUNCTION_NOT_ALLOWED"),
        ("SELECT * FROM system.tables", "TABLE_NOT_KNOWN"),
        ("SELECT nope FROM by_id", "COLUMN_NOT_KNOWN"),
        ("SELECT 1; SELECT 2", "QUERY_NOT_SINGLE"),
    ],
)
async def test_what_the_door_refuses_is_refused_here_with_the_same_reason(
    bench: Bench, sql: str, reason: str
) -> None:
    refused = await bench.refusal(sql)
    with pytest.raises(ServiceError) as caught, peer_errors("data"):
        await bench.data.Query(
            data_pb.QueryRequest(platform=SHOP, sql=sql), metadata=bench.mint.metadata(BOB), timeout=20
        )
    assert refused.reason == caught.value.reason
    assert refused.reason == reason or reason == "QUERY_NOT_SINGLE"


async def test_every_sql_attack_gets_the_answer_that_query_gives(bench: Bench) -> None:
    attacks = [row for row in read("sql_attacks.json") if "layer" not in row and "reason" in row["outcome"]]
    assert len(attacks) > 50
    for row in attacks:
        sql = text_of(row)
        with pytest.raises(ServiceError) as caught, peer_errors("data"):
            await bench.data.Query(
                data_pb.QueryRequest(platform=SHOP, sql=sql), metadata=bench.mint.metadata(BOB), timeout=20
            )
        assert (await bench.refusal(sql)).reason == caught.value.reason, row["id"]


async def test_a_stranger_learns_nothing(bench: Bench) -> None:
    assert (await bench.refusal("SELECT 1", user=STRANGER)).reason == "PLATFORM_NOT_FOUND"


async def recommended(bench: Bench, sql: str, *kinds: str) -> dict[str, pb.Recommendation]:
    """What is recommended, by kind; asked for again where a busy machine made one of `kinds` slow."""
    for _ in range(3):
        tuned = await bench.tuned(sql, user=ALICE)
        best = {one.kind: one for one in tuned.recommendations}
        if best.keys() >= set(kinds):
            return best
    raise AssertionError(tuned)


async def test_layouts_are_measured_for_an_editor_and_told_with_their_cost(bench: Bench) -> None:
    sql = "SELECT count(), sum(amount) FROM by_time WHERE town = 'town 7'"
    best = await recommended(bench, sql, "projection", "order_by", "column_type")
    key = best["order_by"]
    assert (key.table, key.sql, key.same_result) == ("by_time", "ORDER BY (`town`, `at`)", True)
    assert key.after.read_rows < key.before.read_rows / 5
    assert key.run_count >= 3
    assert len(key.result_sha256) == 64
    assert key.before_bytes > 0
    assert key.before_insert_seconds > 0
    assert (key.sample.row_count, key.sample.table_row_count) == (ROWS, ROWS)
    assert "aidatalabs tables create by_time_new" in key.steps[1]
    assert "--column town:String" in key.steps[1]
    assert "embedded engine cannot have it" in best["projection"].steps[1]
    assert "Measured on all 200,000 rows" in key.rationale


async def test_a_layout_that_does_not_help_is_told_as_such(bench: Bench) -> None:
    tuned = await bench.tuned("SELECT id FROM by_id WHERE toHour(at) = 3 AND amount = 9", user=ALICE)
    (index,) = [one for one in (*tuned.recommendations, *tuned.tried) if one.kind == "skip_index"]
    assert index.same_result
    assert "helped" in tuned.layout_summary
    unhelped = [one for one in tuned.tried if one.table and one.HasField("after")]
    assert all("did not help" in one.rationale and not one.steps for one in unhelped)


async def test_a_new_roll_up_is_told_with_the_command_that_makes_it(bench: Bench) -> None:
    sql = "SELECT town, count() FROM by_id WHERE at >= '2022-05-01 00:00:00' GROUP BY town ORDER BY town"
    rollup = (await recommended(bench, sql, "new_rollup"))["new_rollup"]
    made = "aidatalabs rollups create by_id_town_figures_daily --table by_id --time at --per day"
    assert list(rollup.steps) == [f"{made} --dimension town"]
    assert rollup.after.read_rows < rollup.before.read_rows / 4


async def test_who_may_only_look_gets_no_layouts_and_is_told_so(bench: Bench) -> None:
    tuned = await bench.tuned("SELECT count() FROM by_time WHERE town = 'town 7'", user=BOB)
    assert not {one.kind for one in (*tuned.recommendations, *tuned.tried)} - {"rewrite", "rollup"}
    assert "for editors" in tuned.layout_summary


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT count() FROM events", "no other layout is worth its upkeep"),
        ("SELECT count() FROM by_id WHERE id = 5", "reads 8,192 of 200,000 rows already"),
    ],
)
async def test_where_no_layout_is_worth_it_none_is_recommended(bench: Bench, sql: str, why: str) -> None:
    tuned = await bench.tuned(sql, user=ALICE)
    assert why in tuned.layout_summary
    assert not [one for one in (*tuned.recommendations, *tuned.tried) if one.table]
