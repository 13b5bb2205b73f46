"""Whatever is sent to an endpoint: no fault of ours, one error shape, and an answer as the document says.

Seeded and small here; `make soak` sends 1,000 calls to each endpoint, or FUZZ_EXAMPLES of them.
"""

from __future__ import annotations

import collections
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.transport import Response

from tests.contract.openapi.described import OPERATIONS, resolved, validator
from tests.contract.test_contract import CATALOGUE
from tests.e2e.conftest import Mesh
from tests.e2e.fuzzed_calls import MADE, PLATFORM, RESTORED, AnyCase, Call, calls, know, operations
from tests.e2e.test_conformance import NOT_BUILT
from tests.e2e.test_openapi_calls import check_described

pytestmark = pytest.mark.mesh
CALLS = operations()
ERROR = {"$ref": "#/components/schemas/Error"}
SMALL, STRANGE, LARGE = 10, 4, int(os.environ.get("FUZZ_EXAMPLES", "1000"))
_NOT_BUILT = {name.split(".")[-1].replace("/", "_") for name in NOT_BUILT}
# Waiting helps with none of these: the call itself is too large.
_TOO_MUCH = {"REQUEST_TOO_LARGE", "QUERY_MEMORY_EXCEEDED", "QUERY_READS_TOO_MUCH", "RESULT_TOO_LARGE"}
_LEAKS = re.compile(
    r"Traceback|DB::|chdb|asyncpg|psycopg|/site-packages|\.py\b|\.sock\b|grpc_status|SQLSTATE"
)
# A caller who is a member of nothing is answered by these alone.
_OWN_ANSWERS = {
    "IdentityService_GetCurrentUser",
    "PlatformService_ListPlatforms",
}
Met = collections.Counter[tuple[int, str]]


@pytest.fixture(scope="module")
def session(mesh: Mesh) -> Iterator[requests.Session]:
    """A connection that stays open, and a platform of our own to aim at."""
    with requests.Session() as opened:
        opened.headers["authorization"] = f"Bearer {mesh.admin_token}"
        root = f"http://127.0.0.1:{mesh.port}/api/v1"
        made = opened.post(f"{root}/platforms?platform_id={PLATFORM}", json={}, timeout=60)
        assert made.status_code == 200, made.text
        back_up(opened, f"{root}/data")
        columns = [("id", "UInt64"), ("label", "String"), ("weight", "Nullable(Float64)")]
        table = {"name": "things", "columns": [{"name": name, "type": kind} for name, kind in columns]}
        body: dict[str, Any] = {"platform": f"platforms/{PLATFORM}", "table": table}
        assert opened.post(f"{root}/data/tables", json=body, timeout=60).status_code == 200
        rows = [{"id": str(number), "label": f"l{number % 3}", "weight": number / 7} for number in range(50)]
        body = {"platform": f"platforms/{PLATFORM}", "table": "things", "rows": rows}
        assert opened.post(f"{root}/data/ingest", json=body, timeout=60).status_code == 200
        body = {"platform": f"platforms/{PLATFORM}", "filter": "id = 49"}
        deletion = opened.post(f"{root}/data/tables/things:deleteRows", json=body, timeout=60).json()
        know("deletion", deletion["name"].split("/")[-1])
        yield opened
        for platform in (PLATFORM, MADE):
            gone = opened.delete(f"{root}/platforms/{platform}", timeout=60)
            assert gone.status_code in (200, 404), gone.text


def back_up(session: requests.Session, root: str) -> None:
    """A backup to name, one to delete, and a restore into the platform, which only an empty one can have."""
    asked: dict[str, Any] = {"platform": f"platforms/{PLATFORM}", "request_id": RESTORED}

    def ended(url: str, **body: str) -> Any:
        one = session.post(f"{root}/{url}", json=asked | body, timeout=60).json()
        path = "/".join(one["name"].split("/")[2:])
        while one["state"] == "BACKUP_STATE_RUNNING":
            time.sleep(0.05)
            one = session.get(f"{root}/{path}?platform={asked['platform']}", timeout=60).json()
        assert one["state"] == "BACKUP_STATE_DONE", one
        return one

    spare, kept = ended("backups"), ended("backups", request_id="kept")
    restored = ended("backups:restore", key=kept["key"])
    know("key", kept["key"])
    for name, one in (("backup", kept), ("spare", spare), ("restore", restored)):
        know(name, one["name"].split("/")[-1])


@pytest.fixture(scope="module")
def met() -> dict[str, Met]:
    """What the calls to each endpoint met."""
    return {}


def send(mesh: Mesh, session: requests.Session, call: Call) -> Response:
    return call.case.call(base_url=f"http://127.0.0.1:{mesh.port}", session=session, timeout=60)


def check(name: str, call: Call, answer: Response) -> str:
    """The reason of the refusal, empty for an answer. Fails on what the document does not promise."""
    headers = {key.lower(): values[0] for key, values in answer.headers.items()}
    if answer.status_code == 200:
        assert not call.forbidden or only_what_nobody_reads_is_wrong(call.case)
        check_described(OPERATIONS[name], 200, headers, answer.content)
        if headers["content-type"].startswith("text/event-stream"):
            last = re.findall(r"^data: (.+)$", answer.content.decode(), re.M)[-1]
            assert json.loads(last)["event"] in ("done", "error")
        return ""
    reason = check_refusal(answer)
    own_limit = reason == "QUERY_TIMEOUT" and sets_a_short_time(call.case)
    assert answer.status_code < 500 or reason in ("NOT_BUILT_YET", "SERVICE_UNAVAILABLE") or own_limit, (
        answer.text
    )
    assert (reason == "NOT_BUILT_YET") == (answer.status_code == 501)
    if reason == "NOT_BUILT_YET":
        assert name.removesuffix("_get").removesuffix("_post") in _NOT_BUILT
        return reason
    described = resolved(OPERATIONS[name]["responses"][str(answer.status_code)])
    assert reason in described["content"]["application/json"]["examples"], (name, answer.status_code, reason)
    if call.allowed:
        # What the document allows becomes a message; whether it can be done is the service's word.
        assert reason not in ("BAD_HTTP_REQUEST", "MALFORMED_MESSAGE", "CONTENT_TYPE_NOT_SUPPORTED"), (
            answer.text
        )
    return reason


def sets_a_short_time(case: AnyCase) -> bool:
    """Whether the caller itself gave the query less than a second."""
    asked = [part.get("max_seconds") for part in (case.query, case.body) if isinstance(part, dict)]
    return any(isinstance(one, float | int) and 0 < one < 1 for one in asked)


def only_what_nobody_reads_is_wrong(case: AnyCase) -> bool:
    """Whether what the document forbids in a call is a header (the token is ours), or not there for a reader.

    That is a parameter without a name, which the edge drops, one with an empty list, which is not sent, and
    `null`, which is a field that is not set.
    """
    assert case.meta
    wrong = getattr(case.meta.phase.data, "mutations", ())
    where = {one.parameter_location for one in wrong}
    unsent = isinstance(case.query, dict) and ("" in case.query or [] in case.query.values())
    beside = {ParameterLocation.HEADER, ParameterLocation.COOKIE}
    beside |= {ParameterLocation.QUERY} if unsent else set()
    beside |= {ParameterLocation.BODY} if holds_null(case.body) else set()
    return bool(wrong) and where <= beside


def holds_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(holds_null(one) for one in value.values())
    return value is None or (isinstance(value, list) and any(holds_null(one) for one in value))


def check_refusal(answer: Response) -> str:
    """The reason, out of a body in the one shape of refusals, with nothing in it that is not ours to tell."""
    body = answer.json()
    described = validator(ERROR)
    assert [error.message for error in described.iter_errors(body)] == []
    info, *others = body["details"]
    assert (info["domain"], bool(body["message"])) == ("aidatalabs", True)
    assert info["reason"] in CATALOGUE
    # Only what is no HTTP that can be read is refused before it has an id.
    assert info.get("metadata", {}).get("request_id") or info["reason"] == "BAD_HTTP_REQUEST"
    assert not _LEAKS.search(re.sub(r"'[^']*'|\"[^\"]*\"", "", body["message"])), body["message"]
    waits = any(one["@type"].endswith("RetryInfo") for one in others)
    if answer.status_code in (429, 503) and info["reason"] not in _TOO_MUCH:
        assert waits, body
    return str(info["reason"])


def run(name: str, count: int, one_call: Callable[[Call], None]) -> None:
    """Sends `count` calls, the same ones every time."""

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(calls(CALLS[name]))
    def sends(call: Call) -> None:
        one_call(call)

    sends()


def fuzz(mesh: Mesh, session: requests.Session, name: str, count: int) -> Met:
    met: Met = collections.Counter()

    def one_call(call: Call) -> None:
        answer = send(mesh, session, call)
        try:
            met[answer.status_code, check(name, call, answer)] += 1
        except (AssertionError, KeyError) as wrong:
            raise AssertionError(f"{call.told}\n{answer.content[:2000]!r}\n{wrong!r}") from wrong

    run(name, count, one_call)
    return met


@pytest.mark.parametrize("name", CALLS)
def test_made_up_calls_are_answered_or_refused_as_the_document_says(
    mesh: Mesh, session: requests.Session, met: dict[str, Met], name: str
) -> None:
    met[name] = fuzz(mesh, session, name, SMALL)
    assert sum(met[name].values()) >= 3


def test_made_up_calls_reach_what_is_behind_the_checks(met: dict[str, Met]) -> None:
    if met.keys() != CALLS.keys():
        pytest.skip("only some of the endpoints were called")
    built = {name for name, one in met.items() if (501, "NOT_BUILT_YET") not in one}
    answered = {name for name in built if met[name][200, ""]}
    assert len(answered) >= len(built) * 3 / 4, built - answered
    assert len({reason for one in met.values() for _, reason in one}) >= 10


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CALLS)
def test_a_thousand_made_up_calls_are_answered_or_refused_as_the_document_says(
    mesh: Mesh, session: requests.Session, name: str
) -> None:
    met = fuzz(mesh, session, name, LARGE)
    for (status, reason), count in sorted(met.items()):
        print(f"{name} {status} {reason or 'answered'} {count}")  # noqa: T201 - the soak's figures
    assert met[200, ""] or name.removesuffix("_get").removesuffix("_post") in _NOT_BUILT


def test_a_stranger_reaches_nothing_whatever_is_sent(mesh: Mesh, session: requests.Session) -> None:
    with requests.Session() as stranger:
        stranger.headers["authorization"] = f"Bearer {mesh.token('passer-by@example.com', 'viewer')}"
        for name in CALLS:

            def one_call(call: Call, name: str = name) -> None:
                answer = send(mesh, stranger, call)
                reason = check(name, call, answer)
                streamed = answer.headers.get("content-type", [""])[0].startswith("text/event-stream")
                if streamed:
                    last = json.loads(re.findall(r"^data: (.+)$", answer.content.decode(), re.M)[-1])
                    assert last["error"]["details"][0]["reason"] in ("PLATFORM_NOT_FOUND", "INVALID_REQUEST")
                else:
                    assert reason or name in _OWN_ANSWERS, (call.told, answer.text)

            run(name, STRANGE, one_call)


def test_a_header_whose_name_grpc_does_not_know_is_not_passed_on(
    mesh: Mesh, session: requests.Session
) -> None:
    for sign in "!#$%&'*+^`|~":
        url = f"http://127.0.0.1:{mesh.port}/api/v1/users/me"
        answer = session.get(url, headers={f"a{sign}b": "1"}, timeout=30)
        assert (sign, answer.status_code) == (sign, 200), answer.text


def test_the_document_has_an_endpoint_for_every_made_up_call() -> None:
    assert CALLS.keys() == OPERATIONS.keys()
