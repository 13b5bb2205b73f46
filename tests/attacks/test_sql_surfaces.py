"""Every SQL attack over REST and over gRPC, through a real edge, beside the ordinary queries that must pass.

The door alone is tested in `test_sql_door`; the rows whose layer is the engine, a cache or a token have tests
of their own, which `ELSEWHERE` names.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from tests.attacks.outcomes import read, text_of
from tests.attacks.sql_world import DEMO, Outcome, SqlWorld, running_sql_world
from tests.attacks.world import CANARY

pytestmark = pytest.mark.asyncio(loop_scope="module")
Row = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT.parent / "shared" / "attacks" / "attacks.json"
ALL = read("sql_attacks.json")
ATTACKS = [row for row in ALL if "layer" not in row]
ORDINARY = read("sql_ordinary.json")
# What the check of every request refuses before the door is asked.
SOONER = {"SQL-STMT-004": "INVALID_REQUEST"}
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d(?:\.\d+)?)Z")
_HERE = "tests/attacks/test_sql_surfaces.py"
# Attacks of several calls, or on another part than the SQL: the test that makes them.
ELSEWHERE = {
    **dict.fromkeys(
        (row["id"] for row in ALL if row.get("layer") == "engine"),
        "tests/rpc/data/test_data_attacks.py::test_the_engine_stops_what_the_door_admits",
    ),
    "SQL-SETTINGS-011": f"{_HERE}::test_a_setting_beside_the_query_in_the_url_is_refused",
    "SQL-TENANT-012": "tests/rpc/data/test_isolation_pairs.py::test_pairs_at_the_same_moment_bleed_nothing",
    "SQL-TENANT-013": f"{_HERE}::test_a_claim_of_a_tenant_in_the_token_changes_nothing",
    "SQL-TENANT-014": f"{_HERE}::test_a_claim_of_a_tenant_in_the_token_changes_nothing",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SqlWorld]:
    async with running_sql_world(tmp_path_factory.mktemp("q")) as running:
        yield running


def judge(row: Row, got: Outcome, surface: str) -> None:
    wanted = row["outcome"]
    assert CANARY not in got.text, (row["id"], surface)
    if "reason" in wanted:
        reason = SOONER.get(row["id"], wanted["reason"])
        assert (got.grpc, got.reason) == (wanted["grpc"], reason), (surface, got)
        assert got.http in (0, wanted["http"]), (surface, got)
    elif "row_count" in wanted:
        assert got.rows is not None, (surface, got)
        assert len(got.rows) == wanted["row_count"], surface
    else:
        assert got.rows is not None, (surface, got)
        assert _loose(got.rows) == _loose(wanted["rows"]), surface


def _loose(rows: list[list[Any]]) -> str:
    """Rows as one text, numbers and times as REST and gRPC write them; the values are the door's test."""
    text = json.dumps(rows, sort_keys=True).replace('"', "").replace(".0,", ",").replace(".0]", "]")
    return _TIME.sub(r"\1 \2", text)


@pytest.mark.parametrize("row", ATTACKS, ids=lambda row: str(row["id"]))
async def test_attack_has_its_outcome_over_rest_and_over_grpc(world: SqlWorld, row: Row) -> None:
    sql = text_of(row)
    judge(row, await world.by_rest(sql), "REST")
    judge(row, await world.by_grpc("Query", pb.QueryRequest(platform=DEMO, sql=sql)), "Query")


@pytest.mark.parametrize(
    "row", [row for row in ATTACKS if "reason" in row["outcome"]], ids=lambda row: row["id"]
)
async def test_attack_is_refused_by_every_other_method_that_takes_sql(world: SqlWorld, row: Row) -> None:
    sql = text_of(row)
    for method, request in (
        ("ExplainQuery", pb.ExplainQueryRequest(platform=DEMO, sql=sql)),
        ("StreamQuery", pb.StreamQueryRequest(platform=DEMO, sql=sql)),
        ("Export", pb.ExportRequest(platform=DEMO, sql=sql, format=pb.ExportRequest.CSV)),
    ):
        judge(row, await world.by_grpc(method, request), method)


@pytest.mark.parametrize("row", ORDINARY, ids=lambda row: str(row["id"]))
async def test_ordinary_query_passes_over_rest_and_over_grpc(world: SqlWorld, row: Row) -> None:
    sql = text_of(row)
    judge(row, await world.by_rest(sql), "REST")
    judge(row, await world.by_grpc("Query", pb.QueryRequest(platform=DEMO, sql=sql)), "Query")


async def test_a_setting_beside_the_query_in_the_url_is_refused(world: SqlWorld) -> None:
    row = next(row for row in ALL if row["id"] == "SQL-SETTINGS-011")
    path = f"/api/v1/data/query?platform={DEMO}&sql=SELECT%201&readonly=0&database=other"
    async with world.rest.get(world.edge.url + path, headers=world.edge.bearer()) as answer:
        assert answer.status == row["outcome"]["http"]
        assert (await answer.json())["code"] == 3


@pytest.mark.parametrize(
    "claim", [{"tenant_id": "*"}, {"tenant": "' OR 1=1 --"}, {"platform": "platforms/other"}]
)
async def test_a_claim_of_a_tenant_in_the_token_changes_nothing(
    world: SqlWorld, claim: dict[str, str]
) -> None:
    headers = world.edge.bearer(**claim)
    for platform, status in ((DEMO, 200), ("platforms/other", 404)):
        path = f"/api/v1/data/query?platform={platform}&sql=SELECT%20count()%20FROM%20events"
        async with world.rest.get(world.edge.url + path, headers=headers) as answer:
            assert answer.status == status, await answer.text()
            assert CANARY not in await answer.text()


async def test_every_row_has_a_test_and_every_named_test_is_there() -> None:
    assert {row["id"] for row in ALL} == {row["id"] for row in ATTACKS} | set(ELSEWHERE)
    for place in set(ELSEWHERE.values()):
        file, _, name = place.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, functions)}, place


async def test_every_sql_row_of_the_shared_list_is_pinned_here_word_for_word() -> None:
    if not LIST.exists():
        pytest.skip("../shared/attacks/attacks.json is not here")
    shared = {
        row["id"]: row for row in json.loads(LIST.read_text("utf-8")) if row["class"].startswith("sql.")
    }
    pinned = {row["id"]: row for row in ALL}
    assert set(shared) - set(pinned) == set(), "rows of the list that no test pins"
    changed = {key for key, row in shared.items() if pinned[key]["input"] != row["input"]}
    # The column is called `properties` here, and it is JSON.
    assert changed == {"SQL-BOMB-014"}
    assert {key for key, row in shared.items() if pinned[key]["class"] != row["class"]} == set()
