"""Proofs of real answers looked at again after a row, a type or a digest has changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import json_format

from aidatalabs.agent.v1 import answer_pb2
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import BOB
from tests.rpc.agent.talk_world import OURS, SALES, THEIRS, Talk, sale, talking
from tests.rpc.agent.world import STRANGER

pytestmark = pytest.mark.asyncio(loop_scope="module")
BY_CITY = "total amount of sales by city"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talk(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Talk]:
    async with talking(postgres_server, tmp_path_factory.mktemp("data")) as made:
        yield made


def kinds(found: Any) -> list[str]:
    return [change.kind for change in found.changes]


async def test_a_proof_tells_all_that_an_answer_stands_on(talk: Talk) -> None:
    answer = await talk.ask("total amount of sales by city for book in 2024")
    proof = answer.proof
    assert (proof.question, list(proof.steps)) == (
        "total amount of sales by city for book in 2024",
        list(answer.explanation),
    )
    assert {(one.column, one.type) for one in proof.columns} >= {("city", "String"), ("amount", "Float64")}
    parts = {(part.part, part.detail): (part.made_by, part.words) for part in proof.parts}
    assert parts["dimension", "sales.city"] == ("planner: words", "city")
    assert parts["filter", "sales.kind is book"] == ("planner: words", "book")
    assert parts["table", "sales"] == ("planner: words", "sales")
    window = next(part for part in proof.parts if part.part == "window")
    assert (window.made_by, window.words) == ("planner: words", "in 2024")
    assert (proof.estimated_rows, proof.read_rows) == (12, 12)
    assert proof.estimated_bytes > 0
    assert proof.rollup_reason
    assert 0.5 < proof.confidence <= 1
    assert len(proof.seal) == 64


async def test_a_proof_is_confirmed_also_after_it_travelled_as_json(talk: Talk) -> None:
    proof = (await talk.ask(BY_CITY)).proof
    travelled = json_format.Parse(json.dumps(json_format.MessageToDict(proof)), answer_pb2.Proof())
    found = await talk.verify(travelled, user=BOB)
    assert (found.verdict, kinds(found)) == ("confirmed", [])
    assert found.proof.result_sha256 == proof.result_sha256
    assert (found.proof.produced_by, found.proof.question) == ("verification", "")
    assert (await talk.verify(found.proof)).verdict == "confirmed"


async def test_one_row_more_is_told_as_another_result(talk: Talk) -> None:
    await talk.table("visits", SALES)
    await talk.fill("visits", [sale(n) for n in range(3)])
    proof = (await talk.ask("total amount of visits by city")).proof
    await talk.fill("visits", [sale(4)])
    found = await talk.verify(proof)
    assert found.verdict == "changed"
    assert kinds(found) == ["result", "data_version", "catalogue_version"]
    assert (found.changes[0].before, found.changes[0].after) == (
        proof.result_sha256,
        found.proof.result_sha256,
    )


async def test_rows_that_do_not_touch_the_result_leave_it_confirmed_and_are_told(talk: Talk) -> None:
    await talk.table("parcels", SALES)
    await talk.fill("parcels", [sale(n) for n in range(3)])
    proof = (await talk.ask("how many parcels in Graz")).proof
    await talk.fill("parcels", [sale(1)])
    found = await talk.verify(proof)
    assert (found.verdict, kinds(found)) == ("confirmed", ["data_version", "catalogue_version"]), found


async def test_a_column_of_another_type_is_named_with_both_types(talk: Talk) -> None:
    rows = [{"id": n, "fee": n} for n in range(4)]
    await talk.table("tickets", {"id": "UInt64", "fee": "UInt32"})
    await talk.fill("tickets", rows)
    proof = (await talk.ask("total fee of tickets")).proof
    await talk.tell("DropTable", data_pb.DropTableRequest(platform=OURS, table="tickets"))
    gone = await talk.verify(proof)
    assert (gone.verdict, kinds(gone)[:2]) == ("changed", ["table_missing", "not_run"])
    assert not gone.HasField("proof")
    await talk.table("tickets", {"id": "UInt64", "fee": "UInt64"})
    await talk.fill("tickets", rows)
    found = await talk.verify(proof)
    typed = next(change for change in found.changes if change.kind == "column_type")
    assert found.verdict == "changed"
    assert (typed.subject, typed.before, typed.after) == ("tickets.fee", "UInt32", "UInt64")
    assert "result" not in kinds(found)  # sum() has the same type and number over both


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"result_sha256": "0" * 64}, ["seal", "result_digest"]),
        ({"sql_sha256": "0" * 64}, ["seal", "sql_digest"]),
        ({"question": "another one"}, ["seal"]),
        ({"seal": ""}, ["seal"]),
        ({"produced_by": "an auditor"}, ["seal"]),
        ({"produced_time": {"seconds": 1 << 60}}, ["seal"]),
        ({"confidence": float("nan")}, ["seal"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_a_proof_that_was_altered_says_where(
    talk: Talk, changes: dict[str, Any], told: list[str]
) -> None:
    proof = (await talk.ask(BY_CITY)).proof
    altered = answer_pb2.Proof()
    altered.CopyFrom(proof)
    for name in changes:
        altered.ClearField(name)  # type: ignore[arg-type]
    altered.MergeFrom(answer_pb2.Proof(**changes))
    found = await talk.verify(altered)
    assert (found.verdict, kinds(found)) == ("altered", told)


async def test_another_query_under_an_answers_plan_is_found_out(talk: Talk) -> None:
    answers = [(await talk.ask(question)).proof for question in (BY_CITY, "how many sales in Graz")]
    mixed = answer_pb2.Proof()
    mixed.CopyFrom(answers[0])
    mixed.plan.CopyFrom(answers[1].plan)
    found = await talk.verify(mixed)
    assert (found.verdict, kinds(found)) == ("altered", ["seal", "plan"])
    broken = answer_pb2.Proof()
    broken.CopyFrom(answers[0])
    broken.plan.measures[0].function = "drop"
    assert "plan" in kinds(await talk.verify(broken))


async def test_a_proof_gives_no_authority_it_runs_with_the_callers_own(talk: Talk) -> None:
    proof = (await talk.ask(BY_CITY)).proof
    elsewhere = await talk.verify(proof, platform=THEIRS, user=STRANGER)
    assert elsewhere.verdict == "altered"  # made for another platform
    assert elsewhere.proof.read_rows == 2  # and run over the caller's own table of that name
    with pytest.raises(ServiceError) as refused:
        await talk.verify(proof, user=STRANGER)
    assert refused.value.reason == "PLATFORM_NOT_FOUND"


@pytest.mark.parametrize(
    "sql", ["DROP TABLE sales", "SELECT * FROM system.tables", "SELECT sleep(3)", ";", "SELECT 1 FROM"]
)
async def test_the_sql_of_a_proof_passes_the_same_door(talk: Talk, sql: str) -> None:
    found = await talk.verify(answer_pb2.Proof(sql=sql))
    assert (found.verdict, kinds(found)[-1]) == ("altered", "not_run")
    assert not found.HasField("proof")


async def test_a_cut_result_without_an_order_is_not_called_changed(talk: Talk) -> None:
    await talk.table("stops", {"id": "UInt64", "fee": "UInt32"})
    await talk.fill("stops", [{"id": n, "fee": n} for n in range(30)])
    proof = answer_pb2.Proof(sql="SELECT id FROM stops", max_rows=3)
    found = await talk.verify(proof)
    again = found.proof
    again.result_sha256 = "0" * 64
    assert "not_comparable" in kinds(await talk.verify(again))


async def test_the_key_of_seals_is_kept_and_made_once(talk: Talk) -> None:
    keys = await talk.stored("SELECT key FROM seal_keys")
    assert len(keys) == 1
    assert len(keys[0][0]) >= 32
    proof = (await talk.ask(BY_CITY)).proof
    found = await asyncio.gather(*(talk.verify(proof) for _ in range(4)))
    assert {one.verdict for one in found} == {"confirmed"}
