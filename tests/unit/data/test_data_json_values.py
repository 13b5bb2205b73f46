"""Which objects a JSON column can keep as they are."""

from __future__ import annotations

from typing import Any

import pytest

from aidatalabs_services.data.json_values import JsonRefused, json_text


@pytest.mark.parametrize(
    "value",
    [
        {"a.b": 1, "a": {"b": 2}},
        {"a": 1, "a.b": 2},
        {"a": [1], "a.b.c": 2},
        {"x": {"a": "t", "a.b": None, "a.c": 1}},
        {"list": [{"a": 1, "a.b": 2}]},
    ],
)
def test_paths_that_would_read_back_as_less_are_refused(value: dict[str, Any]) -> None:
    with pytest.raises(JsonRefused, match="dotted path"):
        json_text(value)


@pytest.mark.parametrize(
    "value", [{"a.b": 1, "a.c": 2}, {"a": {"b": 1}, "a.c": 2}, {"a.b": {"c": 1, "d": 2}}]
)
def test_paths_beside_each_other_are_kept(value: dict[str, Any]) -> None:
    assert json_text(value)
