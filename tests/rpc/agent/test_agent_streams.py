"""StreamAnswer: each part as it is known, and a last event whatever happens."""

from __future__ import annotations

import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs_services.runtime.errors import Overloaded, ServiceError
from tests.rpc.agent.world import SHOP, STRANGER, ScriptedPlatformData, agent_over, result

BY_CITY = result([("city", "String"), ("total_amount", "Float64")], ("Graz", 12.5), ("Lyon", 7.0))
QUESTION = "total amount by city"


def reason(event: pb.StreamAnswerResponse) -> str:
    info = error_details_pb2.ErrorInfo()
    assert event.error.details[0].Unpack(info)
    assert info.metadata["request_id"]
    return str(info.reason)


async def test_the_parts_come_in_order_and_together_are_the_answer() -> None:
    async with agent_over(ScriptedPlatformData(rows={SHOP: BY_CITY})) as agent:
        events = await agent.stream(QUESTION)
        whole = await agent.ask(QUESTION)
    names = [event.event for event in events]
    assert names == ["understood", "sql", "running", "rows", "chart", "answer", "proof", "done"]
    merged = pb.QueryResponse()
    for event in events:
        assert len(event.data.ListFields()) <= 1
        merged.MergeFrom(event.data)
    assert json_format.MessageToDict(merged) == json_format.MessageToDict(whole)


async def test_a_clarification_is_the_only_part_of_its_question() -> None:
    async with agent_over(ScriptedPlatformData(rows={SHOP: BY_CITY})) as agent:
        events = await agent.stream("top cities")
        whole = await agent.ask("top cities")
    assert whole.HasField("clarification")
    assert [event.event for event in events] == ["clarification", "done"]
    assert events[0].data == whole


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("total weather by city", "QUESTION_NOT_ANSWERABLE"),
        ("delete the orders of Graz", "QUESTION_NOT_READ_ONLY"),
        ("   ", "INVALID_REQUEST"),
    ],
)
async def test_a_refusal_is_the_last_event_with_what_a_refused_query_says(
    question: str, expected: str
) -> None:
    async with agent_over(ScriptedPlatformData(rows={SHOP: BY_CITY})) as agent:
        events = await agent.stream(question)
        refused = await agent.refusal(question)
    assert [event.event for event in events] == ["error"]
    assert (reason(events[0]), events[0].error.message) == (expected, refused.message)
    assert (expected, events[0].error.code) == (refused.reason, refused.code.value)


async def test_a_failure_midway_ends_with_an_error_event_after_the_parts_before_it() -> None:
    busy = Overloaded("Too many queries are running.", retry_after_seconds=1.5)
    async with agent_over(ScriptedPlatformData(refusals={"query": busy})) as agent:
        events = await agent.stream(QUESTION)
    assert [event.event for event in events] == ["understood", "sql", "running", "error"]
    assert reason(events[-1]) == "OVERLOADED"
    retry = error_details_pb2.RetryInfo()
    assert events[-1].error.details[-1].Unpack(retry)
    assert retry.retry_delay.ToTimedelta().total_seconds() == 1.5


async def test_a_fault_of_ours_is_told_without_its_words() -> None:
    async with agent_over(ScriptedPlatformData()) as agent:  # no rows: a KeyError inside
        events = await agent.stream(QUESTION)
    assert (events[-1].event, reason(events[-1])) == ("error", "INTERNAL")
    assert "platforms" not in events[-1].error.message


async def test_an_answer_that_takes_too_long_says_so_before_its_time_is_over() -> None:
    slow = ScriptedPlatformData(rows={SHOP: BY_CITY}, query_seconds=5.0)
    async with agent_over(slow) as agent:
        events = await agent.stream(QUESTION, seconds=1.5)
    assert (events[-1].event, reason(events[-1])) == ("error", "DEADLINE_EXCEEDED")


async def test_who_may_not_ask_gets_a_status_and_no_stream() -> None:
    async with agent_over(ScriptedPlatformData()) as agent:
        with pytest.raises(ServiceError) as caught:
            await agent.stream(QUESTION, user=STRANGER)
    assert caught.value.reason == "PLATFORM_NOT_FOUND"
