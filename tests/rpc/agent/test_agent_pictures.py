"""DrawAnswer: the chart of an answer as a file, drawn in a process of its own within its bounds."""

from __future__ import annotations

import asyncio
from typing import Any

import psutil
import pytest

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs_services.agent.adapters.picture_processes import PictureProcesses
from aidatalabs_services.agent.charts.enclosure import encloses_itself
from aidatalabs_services.runtime.errors import InternalError, ServiceError, ServiceUnavailable
from tests.rpc.agent.world import SHOP, STRANGER, ScriptedPlatformData, agent_over, result

BY_CITY = result([("city", "String"), ("average_amount", "Float64")], ("Graz <b>", 12.5), ("Lyon", 3.0))
SPEC: dict[str, Any] = {
    "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
    "data": {"values": [{"key": "a", "value": 1}]},
    "mark": "bar",
    "encoding": {"x": {"field": "value", "type": "quantitative"}},
}


def asked(question: str, form: str = "PNG", **fields: Any) -> pb.DrawAnswerRequest:
    picture = pb.DrawAnswerRequest.Format.Value(form)
    return pb.DrawAnswerRequest(platform=SHOP, question=question, format=picture, **fields)


async def test_the_chart_of_an_answer_comes_as_a_png_or_an_svg() -> None:
    async with agent_over(ScriptedPlatformData(rows={SHOP: BY_CITY})) as agent:
        png = await agent.call("DrawAnswer", asked("average amount by city", "FORMAT_UNSPECIFIED"))
        svg = await agent.call("DrawAnswer", asked("average amount by city", "SVG", width=300))
    assert (png.content_type, png.data[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
    text = svg.data.decode()
    assert (svg.content_type, text[:4]) == ("image/svg+xml", "<svg")
    assert "Graz &lt;b&gt;" in text
    assert "<script" not in text


@pytest.mark.parametrize(
    ("question", "cause"), [("list orders", "table"), ("amount of orders in Graz or Lyon by", "")]
)
async def test_what_has_no_chart_is_refused_with_its_reason(question: str, cause: str) -> None:
    rows = result([("id", "UInt64"), ("city", "String")], (1, "Graz"), (2, "Lyon"))
    async with agent_over(ScriptedPlatformData(rows={SHOP: rows})) as agent:
        with pytest.raises(ServiceError) as caught:
            await agent.call("DrawAnswer", asked(question))
    if cause:
        assert (caught.value.reason, caught.value.metadata["cause"]) == ("CHART_NOT_AVAILABLE", cause)
    else:
        assert caught.value.reason in ("QUESTION_NOT_ANSWERABLE", "CHART_NOT_AVAILABLE")


async def test_a_stranger_gets_no_picture() -> None:
    data = ScriptedPlatformData(rows={SHOP: BY_CITY})
    async with agent_over(data) as agent:
        with pytest.raises(ServiceError) as caught:
            await agent.call("DrawAnswer", asked("average amount by city"), user=STRANGER)
    assert (caught.value.reason, data.asked) == ("PLATFORM_NOT_FOUND", [])


@pytest.mark.parametrize("bounds", [{"memory_bytes": 128 << 20}, {"seconds": 0.05}, {"most_bytes": 100}])
async def test_a_picture_that_takes_too_much_is_refused_and_its_process_gone(bounds: Any) -> None:
    with pytest.raises(ServiceUnavailable):
        await PictureProcesses(**bounds).draw(SPEC, "png")
    assert not workers()


async def test_the_process_of_a_caller_who_went_away_is_killed() -> None:
    drawing = asyncio.create_task(PictureProcesses().draw(SPEC, "png"))
    while not workers():
        await asyncio.sleep(0.01)
    drawing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drawing
    assert not workers()


@pytest.mark.parametrize(
    "planted",
    [
        {"data": {"url": "file:///etc/passwd"}},
        {"data": {"sequence": {"start": 0, "stop": 1e9}}},
        {"mark": {"type": "image"}},
        {"layer": [{"data": {"url": "http://127.0.0.1:9/"}}]},
        {"transform": [{"lookup": "key", "from": {"data": {"url": "/etc/hosts"}}}]},
        {"encoding": {"href": {"field": "key"}}},
    ],
)
async def test_a_spec_that_would_reach_beyond_itself_is_never_drawn(planted: Any) -> None:
    assert not encloses_itself(SPEC | planted)
    with pytest.raises(InternalError):
        await PictureProcesses().draw(SPEC | planted, "png")


async def test_data_may_hold_any_word() -> None:
    assert encloses_itself(SPEC | {"data": {"values": [{"url": "file:///etc/passwd", "type": "image"}]}})


def workers() -> list[int]:
    children = psutil.Process().children(recursive=True)
    return [one.pid for one in children if any("picture_worker" in word for word in cmdline(one))]


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() if process.status() != psutil.STATUS_ZOMBIE else []
    except psutil.NoSuchProcess:
        return []
