"""Settings of models: presets, what is refused at start, and that no value is ever told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aidatalabs_services.agent.settings import AgentSettings
from aidatalabs_services.runtime.settings import SettingsInvalid, load_settings

KEY = "sk-very-secret-0123456789"
PRICES = {"input_usd_per_million": 3, "output_usd_per_million": 15}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("LISTEN_ADDRESS", "DATA_ADDRESS"):
        monkeypatch.setenv(f"AIDATALABS_AGENT_{name}", "127.0.0.1:0")
    monkeypatch.setenv("AIDATALABS_AGENT_JWKS_URL", "http://127.0.0.1:9")
    return monkeypatch


def load(environment: pytest.MonkeyPatch, models: Any, **others: Any) -> AgentSettings:
    environment.setenv("AIDATALABS_AGENT_MODELS", models if isinstance(models, str) else json.dumps(models))
    for name, value in others.items():
        environment.setenv(f"AIDATALABS_AGENT_{name.upper()}", value)
    return load_settings(AgentSettings)


def refused(environment: pytest.MonkeyPatch, models: Any, **others: Any) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        load(environment, models, **others)
    assert KEY not in str(caught.value)
    return str(caught.value)


def test_there_are_no_models_unless_somebody_says_so(environment: pytest.MonkeyPatch) -> None:
    found = load_settings(AgentSettings)
    assert (found.models, found.model_default) == ({}, "offline")


def test_the_three_names_need_a_key_and_prices_alone(environment: pytest.MonkeyPatch) -> None:
    keys = json.dumps(dict.fromkeys(("claude", "gpt4", "glm5"), KEY))
    found = load(environment, {"claude": PRICES, "gpt4": PRICES, "glm5": PRICES}, model_keys=keys)
    assert {alias: (one.provider, one.base_url) for alias, one in found.models.items()} == {
        "claude": ("anthropic", "https://api.anthropic.com"),
        "gpt4": ("openai", "https://api.openai.com/v1"),
        "glm5": ("openai", "https://api.z.ai/api/paas/v4"),
    }
    assert KEY not in repr(found)
    changed = load(environment, {"claude": {**PRICES, "name": "claude-opus-5"}}, model_keys=keys)
    assert changed.models["claude"].name == "claude-opus-5"


OWN = {"provider": "openai", "name": "m", "key_file": "/run/key", **PRICES}


@pytest.mark.parametrize(
    ("models", "others", "why"),
    [
        ({"claude": PRICES}, {}, "set key_file"),
        ({"claude": {}}, {"model_keys": json.dumps({"claude": KEY})}, "INPUT_USD_PER_MILLION"),
        ({"own": {**OWN, "base_url": "http://10.0.0.7/v1"}}, {}, "use https"),
        ({"own": {**OWN, "base_url": f"https://user:{KEY}@host/v1"}}, {}, "without user"),
        ({"own": {**OWN, "base_url": "file:///etc/passwd"}}, {}, "https://host"),
        ({"own": {**OWN, "base_url": "https://host", "api_key": KEY}}, {}, "Extra inputs"),
        ({"offline": {**OWN, "base_url": "https://host"}}, {}, "is the planner"),
        ({"Not An Alias": {**OWN, "base_url": "https://host"}}, {}, "MODELS"),
        ({"own": {**OWN, "base_url": "https://host"}}, {"model_default": "claude"}, "none of the aliases"),
        ({"own": {**OWN, "base_url": "https://host"}}, {"model_steps": "9"}, "MODEL_STEPS"),
        ({"own": {**OWN, "base_url": "https://host"}}, {"model_repairs": "4"}, "MODEL_REPAIRS"),
        ('{"claude": {"key": "' + KEY, {}, "MODELS"),
        ([KEY], {}, "MODELS"),
    ],
)
def test_wrong_settings_are_named_and_no_value_is_told(
    environment: pytest.MonkeyPatch, models: Any, others: dict[str, str], why: str
) -> None:
    assert why in refused(environment, models, **others)


def test_a_model_without_a_price_needs_a_budget_of_tokens(environment: pytest.MonkeyPatch) -> None:
    free = {
        **OWN,
        "base_url": "http://127.0.0.1:8000/v1",
        "input_usd_per_million": 0,
        "output_usd_per_million": 0,
    }
    assert load(environment, {"own": free}).models["own"].plain_http is False
    assert "budget of tokens" in refused(environment, {"own": free}, model_tokens_a_day="0")
