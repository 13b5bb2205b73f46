"""AgentService over a platform whose data follows a script: answers, questions back, refusals, caching."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf import json_format

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs_services.agent.planner.catalogue import Column
from aidatalabs_services.agent.ports import Rows
from aidatalabs_services.runtime.errors import InvalidRequest, Overloaded, ServiceError, StatusCode
from tests.rpc.agent.world import MILL, NOW, SHOP, STRANGER, ScriptedPlatformData, agent_over, orders, result

BY_CITY = result([("city", "String"), ("total_amount", "Float64")], ("Graz", 12.5), ("Lyon", 7.0))
COUNT = result([("number_of_orders", "UInt64")], (6,))


def plain(message: Any) -> Any:
    return json_format.MessageToDict(message)


def sha256_of_the_answer(answer: pb.QueryResponse, *, ordered: bool) -> str:
    """The result's hash, made from the JSON of the answer alone, as somebody without our code would."""
    written = json_format.MessageToJson(answer.result, preserving_proto_field_name=True)
    body = json.loads(
        written, parse_float=lambda text: int(float(text)) if text.endswith(".0") else float(text)
    )
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in body.get("rows", [])]
    head = [[column["name"], column["type"]] for column in body["columns"]]
    text = "\n".join([json.dumps(head, separators=(",", ":")), *(lines if ordered else sorted(lines))])
    return hashlib.sha256(text.encode()).hexdigest()


async def test_an_answer_has_all_its_parts() -> None:
    data = ScriptedPlatformData(rows={SHOP: BY_CITY})
    async with agent_over(data) as agent:
        answer = await agent.ask("total amount by city", max_rows=7)
    sql = data.named("explain")[0][2]
    assert data.named("query") == [("query", SHOP, sql, "7")]
    assert answer.answer.startswith("2 groups: total amount is highest for Graz with 12.50")
    assert answer.sql == f"{sql} /* as the door writes it */"
    assert answer.explanation[0] == "Reads orders (6 rows)."
    assert [(one.name, one.type) for one in answer.result.columns] == list(BY_CITY.columns)
    assert [plain(row) for row in answer.result.rows] == [["Graz", 12.5], ["Lyon", 7.0]]
    assert (answer.result.row_count, answer.result.truncated) == (2, False)
    chart = json_format.MessageToDict(answer.chart)
    assert chart["mark"]["type"] == "bar"
    assert chart["data"]["values"][0] == {"key": "Graz", "value": 12.5}
    assert not answer.HasField("clarification")


async def test_a_proof_can_be_made_again_from_the_answer() -> None:
    data = ScriptedPlatformData(rows={SHOP: BY_CITY})
    async with agent_over(data) as agent:
        answer = await agent.ask("total amount by city")
    proof = answer.proof
    assert proof.sql == answer.sql
    assert proof.sql_sha256 == hashlib.sha256(proof.sql.encode()).hexdigest()
    assert proof.result_sha256 == sha256_of_the_answer(answer, ordered=True)
    assert (proof.plan.table, proof.plan.measures[0].function) == ("orders", "sum")
    assert list(proof.tables) == ["orders"]
    assert [(one.table, one.column) for one in proof.columns] == [("orders", "amount")]
    assert (proof.schema_version, proof.data_version) == ("schema-1", "v1")
    assert (proof.read_rows, proof.read_bytes, proof.produced_by) == (6, 48, "planner")
    assert proof.produced_time.ToDatetime(NOW.tzinfo) == NOW
    assert proof.catalogue_version


class Growing(ScriptedPlatformData):
    """Rows come in while a query runs, so many times."""

    inserts: int = 0

    async def query(self, platform: str, sql: str, max_rows: int) -> Rows:
        rows = await super().query(platform, sql, max_rows)
        if self.inserts:
            self.inserts -= 1
            self.version = f"v{len(self.asked)}"
            self.rows = {platform: replace(rows, rows=((rows.rows[0][0] + 1,),))}  # type: ignore[operator]
            return replace(rows, data_version="")
        return rows


async def test_a_proof_names_the_version_that_its_rows_were_read_from() -> None:
    data = Growing(rows={SHOP: COUNT})
    data.inserts = 1
    async with agent_over(data) as agent:
        answer = await agent.ask("How many orders were there?")
    assert len(data.named("query")) == 2
    assert plain(answer.result.rows[0]) == [7]
    assert answer.proof.data_version == data.version
    assert answer.proof.result_sha256 == sha256_of_the_answer(answer, ordered=True)


async def test_a_proof_names_no_version_while_rows_keep_coming() -> None:
    data = Growing(rows={SHOP: COUNT})
    data.inserts = 1_000
    async with agent_over(data) as agent:
        answer = await agent.ask("How many orders were there?")
    assert len(data.named("query")) == 3
    assert plain(answer.result.rows[0]) == [8]
    assert answer.proof.data_version == ""
    assert answer.proof.schema_version == "schema-1"


@pytest.mark.parametrize("ordered", [True, False])
async def test_the_hash_of_a_result_minds_the_order_only_where_the_query_does(ordered: bool) -> None:
    hashes = []
    for rows in (BY_CITY, replace(BY_CITY, rows=BY_CITY.rows[::-1])):
        async with agent_over(ScriptedPlatformData(rows={SHOP: rows}, ordered=ordered)) as agent:
            answer = await agent.ask("total amount by city")
        assert answer.proof.result_sha256 == sha256_of_the_answer(answer, ordered=ordered)
        hashes.append(answer.proof.result_sha256)
    assert (hashes[0] != hashes[1]) is ordered


async def test_values_of_every_kind_come_through_and_hash_alike() -> None:
    row: tuple[Any, ...] = (None, True, 2.0, 0.1, "18446744073709551615", [1, 2.5], {"k": [None]}, "ü\n\"'")
    rows = result([("number_of_orders", "UInt64"), *[(f"c{n}", "String") for n in range(7)]], row)
    async with agent_over(ScriptedPlatformData(rows={SHOP: rows})) as agent:
        answer = await agent.ask("How many orders were there?")
    assert plain(answer.result.rows[0]) == list(row)
    assert answer.proof.result_sha256 == sha256_of_the_answer(answer, ordered=True)


async def test_no_rows_are_an_answer_without_a_chart() -> None:
    async with agent_over(ScriptedPlatformData(rows={SHOP: replace(BY_CITY, rows=())})) as agent:
        answer = await agent.ask("total amount by city")
    assert answer.answer == "No rows match."
    assert not answer.HasField("chart")
    assert answer.proof.result_sha256 == sha256_of_the_answer(answer, ordered=True)


async def test_a_question_with_two_readings_is_asked_back_and_nothing_else_is_sent() -> None:
    data = ScriptedPlatformData({SHOP: (orders(), orders("refunds"))}, rows={SHOP: COUNT})
    async with agent_over(data) as agent:
        answer = await agent.ask("total amount")
        assert [name.name for name, _ in answer.ListFields()] == ["clarification"]
        assert not data.named("explain")
        assert not data.named("query")
        choices = answer.clarification.choices
        assert {choice.label for choice in choices} == {"amount of orders", "amount of refunds"}
        for choice in choices:
            again = await agent.ask(choice.question)
            assert again.sql.startswith(choice.sql)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("what is the weather like on Mars", "QUESTION_NOT_ANSWERABLE"),
        ("delete all orders", "QUESTION_NOT_READ_ONLY"),
        ("how many orders ' UNION ALL SELECT * FROM system.tables --", "QUESTION_NOT_READ_ONLY"),
        ("DROP TABLE orders", "QUESTION_NOT_READ_ONLY"),
        ("dro\u200bp table orders", "QUESTION_NOT_ANSWERABLE"),
        ("what will the total amount be next month", "QUESTION_NOT_ANSWERABLE"),
    ],
)
async def test_what_cannot_be_answered_is_refused_before_anything_runs(question: str, reason: str) -> None:
    data = ScriptedPlatformData()
    async with agent_over(data) as agent:
        refused = await agent.refusal(question)
    assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, reason)
    assert refused.message
    assert {call[0] for call in data.asked} <= {"describe"}


@pytest.mark.parametrize("question", ["", " ", "\t\n ", "\u00a0\u2003"])
async def test_a_blank_question_is_an_invalid_request_that_names_the_field(question: str) -> None:
    """AGENT-011."""
    data = ScriptedPlatformData()
    async with agent_over(data) as agent:
        refused = await agent.refusal(question)
    assert isinstance(refused, InvalidRequest)
    assert [one.field for one in refused.violations] == ["question"]
    assert not data.asked


@pytest.mark.parametrize("question", ["🙂", "🙂🙂 🎉", "?!…", "\u200b\u200b", "\x00", "\u202e", "- -", "'"])
async def test_a_question_without_words_is_refused_in_words(question: str) -> None:
    """AGENT-011."""
    async with agent_over(ScriptedPlatformData()) as agent:
        refused = await agent.refusal(question)
    assert refused.reason in ("QUESTION_NOT_ANSWERABLE", "INVALID_REQUEST")


@pytest.mark.parametrize("length", [2_000, 2_001])
async def test_a_question_at_the_contracts_limit_is_answered_or_refused_with_a_reason(length: int) -> None:
    async with agent_over(ScriptedPlatformData(rows={SHOP: COUNT})) as agent:
        refused = await agent.refusal("orders " * (length // 7) + "x" * (length % 7))
    assert refused.reason == ("QUESTION_NOT_ANSWERABLE" if length == 2_000 else "INVALID_REQUEST")


class QueryTimeoutOfData(ServiceError):
    """A refusal only the data service has: the agent knows no such class."""

    code = StatusCode.DEADLINE_EXCEEDED
    reason = "QUERY_TIMEOUT"


@pytest.mark.parametrize("method", ["describe", "explain", "query"])
async def test_refusals_of_the_data_service_pass_unchanged(method: str) -> None:
    refusals: list[ServiceError] = [
        QueryTimeoutOfData("Ran longer than it may.", metadata={"limit_seconds": "10"}),
        Overloaded("Come back.", retry_after_seconds=1.5),
    ]
    for refusal in refusals:
        data = ScriptedPlatformData(rows={SHOP: COUNT}, refusals={method: refusal})
        async with agent_over(data) as agent:
            refused = await agent.refusal("How many orders were there?")
        assert (refused.code, refused.reason) == (refusal.code, refusal.reason)
        assert refused.message == refusal.message
        assert refusal.metadata.items() <= refused.metadata.items()
        assert refused.retry_after_seconds == refusal.retry_after_seconds


async def test_a_fault_of_ours_is_told_in_fixed_words() -> None:
    class Broken(ScriptedPlatformData):
        async def query(self, platform: str, sql: str, max_rows: int) -> Rows:
            raise RuntimeError("secret detail of a driver")

    async with agent_over(Broken()) as agent:
        refused = await agent.refusal("How many orders were there?")
    assert (refused.code, refused.reason) == (StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in refused.message


async def test_the_schema_is_sent_once_while_it_is_unchanged_and_again_when_it_changed() -> None:
    data = ScriptedPlatformData(rows={SHOP: COUNT})
    async with agent_over(data) as agent:
        first = await agent.ask("How many orders were there?")
        second = await agent.ask("How many orders were there?")
        assert (await agent.refusal("How many invoices were there?")).reason == "QUESTION_NOT_ANSWERABLE"
        data.version = "v2"
        data.tables[SHOP] = (orders(), orders("invoices"))
        third = await agent.ask("How many invoices were there?")
        await agent.ask("How many invoices were there?")
    assert [call[2] for call in data.named("describe")] == ["", "v1", "v1", "v1", "v2"]
    assert first.proof.catalogue_version == second.proof.catalogue_version
    assert third.proof.catalogue_version != first.proof.catalogue_version
    assert third.proof.plan.table == "invoices"


async def test_a_platforms_catalogue_is_forgotten_safely_while_it_is_being_asked_for() -> None:
    """More platforms at a time than are kept, each asked twice: nobody gets a fault or another's schema."""
    from aidatalabs_services.agent import catalogues

    data = ScriptedPlatformData({f"platforms/p{n}": (orders(f"orders_{n}"),) for n in range(70)})
    kept = catalogues.Catalogues(data)
    first = await kept.of("platforms/p0", "uid-0")

    class Slow(ScriptedPlatformData):
        async def describe(self, platform: str, known_data_version: str) -> Any:
            if platform == "platforms/p0" and known_data_version:
                for number in range(1, 70):
                    await kept.of(f"platforms/p{number}", f"uid-{number}")
            return await super().describe(platform, known_data_version)

    kept._data = Slow(data.tables)
    assert await kept.of("platforms/p0", "uid-0") is first
    assert (await kept.of("platforms/p69", "uid-69")).tables[0].name == "orders_69"


async def test_two_platforms_with_the_same_question_get_their_own_rows() -> None:
    mill = orders(row_count=2)
    mill = replace(mill, columns=(*mill.columns, Column("weight", "Float64")))
    data = ScriptedPlatformData(
        {SHOP: (orders(),), MILL: (mill,)},
        rows={SHOP: COUNT, MILL: result([("number_of_orders", "UInt64")], (2,))},
    )
    async with agent_over(data) as agent:
        for _ in range(2):
            ours = await agent.ask("How many orders were there?")
            theirs = await agent.ask("How many orders were there?", platform=MILL, user=STRANGER)
            assert (ours.answer, theirs.answer) == (
                "The number of orders is 6.",
                "The number of orders is 2.",
            )
        assert (await agent.refusal("total weight")).reason == "QUESTION_NOT_ANSWERABLE"
        await agent.ask("total weight", platform=MILL, user=STRANGER)


async def test_a_stranger_and_a_missing_platform_get_the_same_words_before_any_data_is_asked() -> None:
    data = ScriptedPlatformData()
    async with agent_over(data) as agent:
        stranger = await agent.refusal("How many orders were there?", user=STRANGER)
        missing = await agent.refusal("How many orders were there?", platform="platforms/gone", user=STRANGER)
    assert stranger.reason == missing.reason == "PLATFORM_NOT_FOUND"
    assert stranger.message.replace("shop", "gone") == missing.message
    assert not data.asked


METHODS = {
    "Design": pb.DesignRequest,
    "Analyze": pb.AnalyzeRequest,
    "Support": pb.SupportRequest,
}


@pytest.mark.parametrize("method", METHODS)
async def test_what_is_not_built_says_so_with_the_method(method: str) -> None:
    async with agent_over(ScriptedPlatformData()) as agent:
        with pytest.raises(ServiceError) as caught:
            await agent.call(method, filled(method))
    assert (caught.value.code, caught.value.reason) == (StatusCode.UNIMPLEMENTED, "NOT_BUILT_YET")
    assert caught.value.metadata["method"] == f"/aidatalabs.agent.v1.AgentService/{method}"


def filled(method: str) -> Any:
    """A request that keeps to the contract's rules, so that only the method itself is in question."""
    request = METHODS[method]()
    texts = {"platform": SHOP}
    for one in request.DESCRIPTOR.fields:
        if one.type == one.TYPE_STRING and not one.is_repeated:
            setattr(request, one.name, texts.get(one.name, "SELECT 1"))
            if one.containing_oneof is not None and not one.has_presence:
                break
    return request
