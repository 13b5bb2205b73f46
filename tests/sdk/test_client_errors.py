"""Every reason of the contract is a class of its own, with all that the service said."""

from __future__ import annotations

import pickle
import traceback

import pytest
from google.rpc import error_details_pb2, status_pb2

from aidatalabs.common.v1.error_reason_pb2 import ErrorReason
from aidatalabs_client import ApiError, Client, SyncClient, errors
from aidatalabs_client.next_steps import NEXT_STEPS
from aidatalabs_client.testing import FakeServer

REASONS = [name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()[1:]]


def status(reason: str, code: int = 5) -> status_pb2.Status:
    made = status_pb2.Status(code=code, message="told")
    made.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="aidatalabs"))
    return made


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_raised_as_the_class_of_its_name(reason: str) -> None:
    name = "".join(word.capitalize() for word in reason.split("_"))
    kind = getattr(errors, name)
    raised = ApiError.of_status(status(reason))
    assert type(raised) is kind
    assert issubclass(kind, ApiError)
    assert raised.reason == reason
    assert kind.__doc__
    assert name in errors.__all__


def test_there_is_no_class_without_a_reason_and_no_next_step_either() -> None:
    assert len(errors.__all__) == len(REASONS) + len(["ApiError", "FileUnreadable"])
    assert set(NEXT_STEPS) <= set(REASONS)


def test_a_reason_newer_than_the_client_is_an_api_error() -> None:
    raised = ApiError.of_status(status("MOON_IS_FULL"))
    assert type(raised) is ApiError
    assert (raised.reason, raised.code, raised.exit_code) == ("MOON_IS_FULL", "NOT_FOUND", 5)


async def test_a_refused_call_raises_its_class_with_facts_and_what_to_do() -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        with pytest.raises(errors.TableNotFound) as caught:
            await client.get_table("platforms/demo", "orders")
        with pytest.raises(errors.PlatformNotFound):
            await client.list_tables("platforms/none")
    error = caught.value
    assert error.metadata == {"table": "orders"}
    assert error.request_id
    told = "".join(traceback.format_exception(error))
    assert "platforms/demo has no table 'orders'. (TABLE_NOT_FOUND)\n`list_tables(platform)` returns" in told
    assert f"request {error.request_id}" in told


def test_an_error_travels_between_processes_whole() -> None:
    made = errors.QueryNotReadOnly(
        "INVALID_ARGUMENT", 3, "no", metadata={"statement": "DROP"}, violations=[("sql", "bad")]
    )
    back = pickle.loads(pickle.dumps(made))
    assert type(back) is errors.QueryNotReadOnly
    assert (back.reason, back.metadata, back.violations) == (
        "QUERY_NOT_READ_ONLY",
        {"statement": "DROP"},
        [("sql", "bad")],
    )
    assert str(back) == "no (QUERY_NOT_READ_ONLY)"
    assert {made: 1}[made] == 1


async def test_a_stream_of_an_answer_that_is_refused_raises_the_reason() -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        with pytest.raises(errors.QuestionNotAnswerable):
            [event async for event in client.stream_answer("platforms/demo", "why?")]


def test_what_is_not_built_raises_not_built_yet_in_both_clients() -> None:
    with FakeServer() as fake, SyncClient(fake.address, "t") as client:
        for call in (
            lambda: client.design("platforms/demo", "orders by day", samples={"a.csv": b"x"}),
            lambda: client.optimize("platforms/demo", "SELECT 1"),
            lambda: client.analyze("platforms/demo", "what happened?"),
            lambda: client.support("platforms/demo", "how?"),
            lambda: list(client.metrics("platforms/demo")),
            lambda: list(client.alerts()),
            lambda: list(client.logs()),
        ):
            with pytest.raises(errors.NotBuiltYet) as caught:
                call()
            assert "method" in caught.value.metadata


async def test_without_a_token_the_next_step_says_where_one_comes_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AIDATALABS_TOKEN", raising=False)
    async with FakeServer() as fake, Client(fake.address) as client:
        with pytest.raises(errors.TokenMissing) as caught:
            await client.current_user()
    assert "AIDATALABS_TOKEN" in caught.value.next_step
