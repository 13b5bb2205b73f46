"""W3C Trace Context as it is read: what is taken over, and what begins a trace of its own."""

from __future__ import annotations

import pytest

from aidatalabs_services.runtime.caller import Call, set_current_call
from aidatalabs_services.runtime.telemetry import trace_headers
from aidatalabs_services.runtime.telemetry_context import TraceContext, new_trace, read_trace

TRACE, SPAN = "5bd66ef5095369c7b0d1f8f4bd33716a", "c532cb4098ac3dd2"


@pytest.mark.parametrize(
    ("text", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"cc-{TRACE}-{SPAN}-01-what-a-later-version-adds", True),
    ],
)
def test_a_good_traceparent_is_taken_over(text: str, sampled: bool) -> None:
    assert read_trace([("traceparent", text)]) == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
    ],
)
def test_a_broken_traceparent_is_none(text: str) -> None:
    assert read_trace([("traceparent", text)]) is None


def test_two_traceparents_are_none_and_states_are_joined_up_to_a_length() -> None:
    good = ("traceparent", f"00-{TRACE}-{SPAN}-01")
    assert read_trace([good, good]) is None
    joined = read_trace([good, ("tracestate", "a=1"), ("tracestate", "b=2")])
    assert joined is not None
    assert joined.metadata() == (good, ("tracestate", "a=1,b=2"))
    long = read_trace([good, ("tracestate", "a=" + "x" * 600)])
    assert long is not None
    assert long.metadata() == (good,)


def test_new_traces_differ_and_are_not_recorded() -> None:
    first, second = new_trace(), new_trace()
    assert first != second
    assert read_trace(first.metadata()) == first
    assert not first.sampled


def test_headers_are_those_of_the_current_call_and_none_outside_of_one() -> None:
    assert trace_headers() == ()
    set_current_call(Call("request-1", "/a/b", 0.0, trace=TraceContext(TRACE, SPAN)))
    try:
        assert trace_headers() == (("traceparent", f"00-{TRACE}-{SPAN}-00"),)
    finally:
        set_current_call(None)
