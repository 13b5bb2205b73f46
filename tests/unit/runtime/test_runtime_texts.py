"""Log lines, settings and page tokens: what they hold, what they hide, what they refuse."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from aidatalabs_services.runtime import logs
from aidatalabs_services.runtime.caller import Call, set_current_call
from aidatalabs_services.runtime.errors import InvalidRequest, PageTokenInvalid
from aidatalabs_services.runtime.paging import page_position, page_size, page_token
from aidatalabs_services.runtime.settings import ServerSettings, SettingsInvalid, load_settings
from aidatalabs_services.runtime.testing import TokenMint


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Any:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.configure_logging("echo")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level = before
    structlog.reset_defaults()
    set_current_call(None)


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("abc.def", "Authorization: Bearer abc.def"),
        (TokenMint().token(), None),
        ("hunter2", "password=hunter2 user=x"),
        ("hunter2", '{"api_key": "hunter2"}'),
        ("hunter2", "postgresql://bob:hunter2@db/x"),
        ("alice@example.com", "user alice@example.com signed in"),
        ("O''Brien", "SELECT * FROM t WHERE name = 'O''Brien'"),
        ("bob", "DETAIL: Key (login)=(bob) already exists."),
    ],
)
def test_secrets_and_values_never_reach_a_log_line(lines: Any, secret: str, text: str | None) -> None:
    text = text or f"got {secret} here"
    log = structlog.get_logger()
    log.info(text, note=text, nested={"list": [text], "password": secret})
    logging.getLogger("library").warning("%s", text)
    try:
        raise RuntimeError(text)
    except RuntimeError:
        log.exception("failed")
    found = lines()
    assert len(found) == 3
    assert "RuntimeError" in found[2]["traceback"]
    assert secret not in json.dumps(found)


def test_line_of_a_call_has_its_id_and_method(lines: Any) -> None:
    set_current_call(Call("request-1", "/a.B/C", 0.0))
    structlog.get_logger().info("call", code="OK", seconds=0.1)
    line = lines()[0]
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "service": "echo",
        "event": "call",
        "request_id": "request-1",
        "method": "/a.B/C",
        "code": "OK",
        "seconds": 0.1,
    }


class EchoSettings(ServerSettings):
    model_config = SettingsConfigDict(env_prefix="AIDATALABS_ECHO_")

    spool_bytes: int = Field(ge=1, description="Bytes of the spool.")


def test_settings_come_from_the_environment_and_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LISTEN_ADDRESS": "unix:/run/x.sock",
        "JWKS_URL": "unix:/run/j",
        "SPOOL_BYTES": "5",
    }.items():
        monkeypatch.setenv(f"AIDATALABS_ECHO_{name}", value)
    found = load_settings(EchoSettings)
    assert (found.listen_address, found.spool_bytes, found.running_calls) == ("unix:/run/x.sock", 5, 64)
    with pytest.raises(ValueError, match="frozen"):
        found.spool_bytes = 6


def test_all_wrong_settings_are_told_at_once_without_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIDATALABS_ECHO_LISTEN_ADDRESS", "hunter2")
    monkeypatch.setenv("AIDATALABS_ECHO_RUNNING_CALLS", "-3")
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(EchoSettings)
    text = str(caught.value)
    for name in ("LISTEN_ADDRESS", "RUNNING_CALLS", "JWKS_URL", "SPOOL_BYTES"):
        assert f"AIDATALABS_ECHO_{name}:" in text
    assert "hunter2" not in text
    assert "Bytes of the spool." in text


def test_page_size_has_a_default_and_a_limit() -> None:
    assert [page_size(n) for n in (0, 1, 1000, 1001, 2**31 - 1)] == [100, 1, 1000, 1000, 1000]
    with pytest.raises(InvalidRequest):
        page_size(-1)


@given(
    position=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
        | st.integers(-(2**63) + 1, 2**63 - 1),
        min_size=1,
        max_size=3,
    ),
    filters=st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3),
)
def test_page_token_gives_its_position_back(position: list[str | int], filters: dict[str, str]) -> None:
    token = page_token(position, filters)
    if len(token) <= 2048:
        assert page_position(token, filters) == tuple(position)
    with pytest.raises(PageTokenInvalid):
        page_position(token, filters | {"filter": "another"})


@given(st.text(max_size=80))
def test_any_other_text_is_no_page_token(text: str) -> None:
    if text:
        with pytest.raises(PageTokenInvalid):
            page_position(text, {})
    assert page_position("", {}) is None
