"""What every call gets, by all four kinds: an answer, or one well-formed refusal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from aidatalabs_services.runtime.caller import Role, current_call
from aidatalabs_services.runtime.errors import FieldViolation, PermissionDenied, ServiceError, StatusCode
from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.testing import ALICE, BOB, StaticRoles, TokenMint, running
from tests.rpc.runtime.echo_service import CONTRACT, NAME, TABLE, Echo, EchoRequest, EchoResponse, Raw

KINDS = ["Say", "Count", "Sum", "Chat"]
ROLES = StaticRoles(
    mesh={ALICE: Role.VIEWER},
    platforms={("platforms/demo", ALICE): Role.EDITOR, ("platforms/other", "users/x"): Role.ADMIN},
)


@asynccontextmanager
async def echo_client(echo: Echo | None = None, **more: Any) -> AsyncIterator[Raw]:
    mint = TokenMint()
    parts: dict[str, Any] = {"roles": ROLES, "table": TABLE, "contract": CONTRACT, "mint": mint} | more
    async with running((echo or Echo()).service(), **parts) as channel:
        yield Raw(channel, mint.metadata(ALICE))


def details(error: grpc.aio.AioRpcError) -> tuple[error_details_pb2.ErrorInfo, dict[str, Any]]:
    """The ErrorInfo and the other details by name; fails unless the status is well formed."""
    metadata = dict(error.trailing_metadata() or ())
    packed = metadata["grpc-status-details-bin"]
    assert isinstance(packed, bytes)
    status = status_pb2.Status.FromString(packed)
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    others: dict[str, Any] = {"request_id": metadata["x-request-id"]}
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        for kind in (error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()):
            if detail.Unpack(kind):
                others[type(kind).__name__] = kind
        detail.Unpack(info)
    assert info.domain == "aidatalabs"
    return info, others


async def refusal(call: Any) -> tuple[grpc.StatusCode, str, dict[str, Any], grpc.aio.AioRpcError]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info, others = details(caught.value)
    return caught.value.code(), info.reason, others | {"metadata": dict(info.metadata)}, caught.value


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_call_answers_and_knows_its_caller(kind: str) -> None:
    echo = Echo()
    async with echo_client(echo) as client:
        answers = await client.call(kind, EchoRequest(platform="platforms/demo", text="hello", number=1))
    assert len(answers) == 1
    assert echo.seen_caller.user == ALICE
    if kind in ("Say", "Sum"):
        assert echo.seen_caller.platform == "platforms/demo"
        assert echo.seen_caller.platform_role is Role.EDITOR
        assert echo.seen_caller.platform_uid


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "raised",
    [
        RuntimeError("password=hunter2"),
        ExceptionGroup("g", [ValueError("hunter2")]),
        RecursionError(),
        MemoryError(),
    ],
)
async def test_exception_becomes_internal_with_fixed_words(kind: str, raised: Exception) -> None:
    async def say(_request: Any) -> Any:
        raise raised

    async with echo_client(Echo(say)) as client:
        code, reason, others, error = await refusal(client.call(kind, EchoRequest(platform="platforms/demo")))
    assert (code, reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "hunter2" not in str(error.details()) + str(others)
    assert others["metadata"]["request_id"] == others["request_id"]


@pytest.mark.parametrize("kind", KINDS)
async def test_service_error_travels_with_reason_violations_and_retry(kind: str) -> None:
    class JournalFull(ServiceError):
        code = StatusCode.RESOURCE_EXHAUSTED
        reason = "JOURNAL_FULL"

    async def say(_request: Any) -> Any:
        raise JournalFull(
            "Wait ø é.",
            metadata={"a": "b"},
            violations=[FieldViolation("x[1].y", "bad")],
            retry_after_seconds=1.5,
        )

    async with echo_client(Echo(say)) as client:
        code, reason, others, error = await refusal(client.call(kind, EchoRequest(platform="platforms/demo")))
    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "JOURNAL_FULL")
    assert error.details() == "Wait ø é."
    assert others["metadata"]["a"] == "b"
    assert others["BadRequest"].field_violations[0].field == "x[1].y"
    assert others["RetryInfo"].retry_delay.ToMilliseconds() == 1500


async def test_very_long_refusal_still_arrives_whole() -> None:
    async def say(_request: Any) -> Any:
        many = [FieldViolation("f" * 999, "é" * 999)] * 500
        raise PermissionDenied("é" * 9999, metadata={"x": "é" * 9999}, violations=many)

    async with echo_client(Echo(say)) as client:
        code, _, _, _ = await refusal(client.call("Say", EchoRequest(platform="platforms/demo")))
    assert code is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "bad",
    [b"\xff\xff\xff", b"\x12\x02\xff\xfe", b"\x12\xff\xff\xff\xff\x0f", b"\x22\x80"],
    ids=["tags", "utf8", "length", "cut"],
)
async def test_bytes_that_are_no_message_are_malformed(kind: str, bad: bytes) -> None:
    async with echo_client() as client:
        code, reason, _, _ = await refusal(client.call(kind, bad))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")


async def test_message_nested_too_deep_is_malformed() -> None:
    data = b""
    for _ in range(150):
        length, digits = len(data), b""
        while True:
            digits += bytes([length & 0x7F | (0x80 if length > 0x7F else 0)])
            length >>= 7
            if not length:
                break
        data = b"\x22" + digits + data
    async with echo_client() as client:
        code, reason, _, _ = await refusal(client.call("Say", data))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")


@settings(max_examples=12, deadline=None)
@given(blobs=st.lists(st.binary(max_size=60), min_size=30, max_size=30))
def test_random_bytes_are_answered_or_refused_never_unknown(blobs: list[bytes]) -> None:
    async def run() -> None:
        async with echo_client() as client:
            for index, blob in enumerate(blobs):
                try:
                    await client.call(KINDS[index % 4], blob)
                except grpc.aio.AioRpcError as error:
                    details(error)
                    allowed = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
                    if error.code() not in allowed:
                        raise AssertionError(str(error)) from error

    asyncio.run(run())


async def test_message_over_the_limit_of_its_method_is_refused_with_the_limit() -> None:
    children = [EchoRequest(text="x" * 20) for _ in range(6000)]
    async with echo_client() as client:
        code, reason, others, _ = await refusal(
            client.call("Say", EchoRequest(platform="platforms/demo", children=children))
        )
    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")
    assert others["metadata"]["limit_bytes"] == "100000"


@pytest.mark.parametrize("kind", KINDS)
async def test_broken_field_rule_names_the_field(kind: str) -> None:
    request = EchoRequest(platform="platforms/demo", children=[EchoRequest(), EchoRequest(text="x" * 21)])
    async with echo_client() as client:
        code, reason, others, _ = await refusal(client.call(kind, request))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert [item.field for item in others["BadRequest"].field_violations] == ["children[1].text"]


@pytest.mark.parametrize("path", [f"/{NAME}/Nope", "/no.such.v1.Service/Say", "/x", "//"])
async def test_unknown_method_says_so_for_every_kind_of_call(path: str) -> None:
    async with echo_client() as client:
        for make in ("unary_unary", "unary_stream", "stream_unary", "stream_stream"):
            many = make.startswith("stream")
            call: Any = getattr(client.channel, make)(path)(iter([b"x"]) if many else b"x", timeout=5)

            async def answer(call: Any = call, streams: bool = make.endswith("stream")) -> None:
                if not streams:
                    await call
                else:
                    async for _ in call:
                        raise AssertionError("an answer")

            code, reason, others, _ = await refusal(answer())
            assert (code, reason) == (grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_FOUND")
            assert others["metadata"]["method"] == path


@pytest.mark.parametrize("kind", KINDS)
async def test_deadline_of_the_method_holds_when_the_client_sets_none(kind: str) -> None:
    async def say(_request: Any) -> Any:
        await asyncio.sleep(30)

    echo, begun = Echo(say), time.monotonic()
    async with echo_client(echo) as client:
        call = client.call(kind, EchoRequest(platform="platforms/demo"), timeout=None)
        code, reason, _, _ = await refusal(call)
        assert (code, reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        assert 1.9 < time.monotonic() - begun < 4
        assert echo.cancelled == 1


async def test_shorter_deadline_of_the_client_is_what_the_handler_sees() -> None:
    left: list[float] = []

    async def say(_request: Any) -> Any:
        left.append(current_call().seconds_left())
        return EchoResponse()

    async with echo_client(Echo(say)) as client:
        await client.call("Say", EchoRequest(platform="platforms/demo"), timeout=0.7)
        await client.call("Say", EchoRequest(platform="platforms/demo"), timeout=60)
    assert 0.4 < left[0] <= 0.7
    assert 1.5 < left[1] <= 2.0


@pytest.mark.parametrize("kind", KINDS)
async def test_handler_is_cancelled_when_the_caller_goes_away(kind: str) -> None:
    started = asyncio.Event()

    async def say(_request: Any) -> Any:
        started.set()
        await asyncio.sleep(30)

    echo = Echo(say)
    async with echo_client(echo) as client:
        task = asyncio.create_task(client.call(kind, EchoRequest(platform="platforms/demo")))
        await asyncio.wait_for(started.wait(), 5)
        task.cancel()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if echo.running == 0:
                break
        assert echo.running == 0
        assert echo.cancelled == 1


async def test_full_queue_is_refused_at_once_and_places_come_back() -> None:
    go = asyncio.Event()

    async def say(_request: Any) -> Any:
        await go.wait()
        return EchoResponse()

    echo = Echo(say)
    limits = ServerSettings(
        listen_address="127.0.0.1:0", jwks_url="http://127.0.0.1:9", running_calls=2, queued_calls=3
    )
    async with echo_client(echo, settings=limits) as client:
        request = EchoRequest(platform="platforms/demo")
        tasks = [asyncio.create_task(client.call("Say", request)) for _ in range(10)]
        done, waiting = await asyncio.wait(tasks, timeout=0.5)
        assert len(done) == 5
        for task in done:
            code, reason, others, _ = await refusal(task)
            assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
            assert others["RetryInfo"].retry_delay.ToMilliseconds() >= 1000
        go.set()
        await asyncio.gather(*waiting)
        assert echo.most_running == 2
        for _ in range(3):  # nothing leaked
            await asyncio.gather(*(client.call("Say", request) for _ in range(5)))


async def test_request_id_of_the_caller_is_kept_and_a_bad_one_replaced() -> None:
    async with echo_client() as client:
        call: Any = client.channel.unary_unary(f"/{NAME}/Say", response_deserializer=EchoResponse.FromString)
        for sent, kept in (("request-1234", True), ("bad id\t", False), ("x" * 65, False), ("short", False)):
            running_call = call(
                EchoRequest(platform="platforms/demo").SerializeToString(),
                metadata=(*client.metadata, ("x-request-id", sent.replace("\t", "!"))),
            )
            await running_call
            got = dict(await running_call.trailing_metadata())["x-request-id"]
            assert (got == sent) is kept
            assert len(got) > 7


async def test_platform_that_is_missing_and_one_of_others_give_the_same_answer() -> None:
    async with echo_client() as client:
        texts = []
        for name in ("platforms/other", "platforms/nosuch"):
            code, reason, others, error = await refusal(client.call("Say", EchoRequest(platform=name)))
            assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "PLATFORM_NOT_FOUND")
            others["metadata"].pop("request_id")
            others["metadata"].pop("trace_id")
            texts.append((str(error.details()) + str(others["metadata"])).replace(name, "NAME"))
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "name", ["", "demo", "platforms/", "platforms/Demo", "platforms/demo/tables/x", "platforms/a b"]
)
async def test_malformed_platform_name_is_an_invalid_request(name: str) -> None:
    async with echo_client() as client:
        code, reason, others, _ = await refusal(client.call("Say", EchoRequest(platform=name)))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert others["BadRequest"].field_violations[0].field == "platform"


async def test_role_too_low_names_the_role_needed() -> None:
    roles = StaticRoles(platforms={("platforms/demo", ALICE): Role.VIEWER})
    async with echo_client(roles=roles) as client:
        await client.call("Say", EchoRequest(platform="platforms/demo"))
        code, reason, others, _ = await refusal(client.call("Sum", EchoRequest(platform="platforms/demo")))
        assert (code, reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
        assert others["metadata"]["needed_role"] == "editor"
        code, reason, _, _ = await refusal(client.call("Count", EchoRequest()))
        assert reason == "PERMISSION_DENIED"


async def test_mesh_admin_is_admin_of_every_platform() -> None:
    roles = StaticRoles(mesh={ALICE: Role.ADMIN}, platforms={("platforms/demo", BOB): Role.VIEWER})
    async with echo_client(roles=roles) as client:
        await client.call("Sum", EchoRequest(platform="platforms/demo"))


async def test_method_with_an_optional_platform_is_for_members_or_mesh_admins() -> None:
    async with echo_client() as client:
        answer = await client.call("Plain", EchoRequest(platform="platforms/demo"))
        assert answer[0].text == "platforms/demo"
        _, reason, _, _ = await refusal(client.call("Plain", EchoRequest()))
        assert reason == "PERMISSION_DENIED"
    async with echo_client(roles=StaticRoles(mesh={ALICE: Role.ADMIN})) as client:
        answer = await client.call("Plain", EchoRequest())
        assert answer[0].text == "the mesh"


async def test_stream_may_not_change_its_platform_half_way() -> None:
    first, second = EchoRequest(platform="platforms/demo", number=1), EchoRequest(platform="platforms/other")
    async with echo_client() as client:
        _, reason, _, _ = await refusal(client.call("Sum", first, second))
        assert reason == "INVALID_REQUEST"
        _, reason, _, _ = await refusal(client.call("Sum"))
        assert reason == "INVALID_REQUEST"
        answer = await client.call("Sum", first, EchoRequest(number=4))
        assert answer[0].number == 5


async def test_call_without_its_message_is_refused_and_does_not_hang() -> None:
    async with echo_client() as client:
        call: Any = client.channel.stream_unary(f"/{NAME}/Say")(iter([]), metadata=client.metadata)
        code, reason, _, _ = await refusal(call)
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")


async def test_caller_that_never_sends_its_message_runs_into_the_deadline() -> None:
    async def never() -> AsyncIterator[bytes]:
        await asyncio.sleep(30)
        yield b""

    async with echo_client() as client:
        method: Any = client.channel.stream_unary(f"/{NAME}/Say")
        call = method(never(), metadata=client.metadata)
        code, reason, _, _ = await refusal(call)
    assert (code, reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")


async def test_connection_survives_a_message_far_over_the_limit() -> None:
    async with echo_client() as client:
        for _ in range(4):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await client.call("Say", b"x" * 20_000_000)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await client.call("Say", EchoRequest(platform="platforms/demo"))


async def test_answer_that_is_no_message_is_internal() -> None:
    async def say(_request: Any) -> Any:
        return None

    async with echo_client(Echo(say)) as client:
        for kind in ("Say", "Chat"):
            code, reason, _, _ = await refusal(client.call(kind, EchoRequest(platform="platforms/demo")))
            assert (code, reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
