"""Charts as files: drawn on this machine, and nothing asked of another one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from aidatalabs_services.cli.failures import CommandFailed
from aidatalabs_services.cli.pictures import picture_bytes, save_picture

SPEC: dict[str, Any] = {
    "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
    "title": "</script><script>alert(1)</script>",
    "width": "container",
    "data": {"values": [{"k": "2025-01-01", "v": 3}, {"k": "2025-02-01", "v": 5}]},
    "mark": {"type": "line"},
    "encoding": {"x": {"field": "k", "type": "temporal"}, "y": {"field": "v", "type": "quantitative"}},
}


def test_a_png_is_a_picture_of_twice_the_size(tmp_path: Path) -> None:
    path = tmp_path / "chart.PNG"
    assert save_picture(SPEC, path) == path.stat().st_size
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n")
    assert int.from_bytes(content[16:20]) > 1280
    assert [one.name for one in tmp_path.iterdir()] == ["chart.PNG"]


def test_an_svg_tells_months_in_utc_whatever_the_machines_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    drawn = picture_bytes(SPEC, ".svg").decode()
    assert drawn.startswith("<svg")
    assert "<script" not in drawn
    labels = re.findall(r">([A-Z][a-z]+[ \d]*)<", drawn)
    assert (labels[0], labels[-1]) == ("Thu 02", "February"), "in New York the line would end in January"


def test_a_page_brings_everything_it_needs_and_runs_no_word_of_the_data() -> None:
    page = picture_bytes(SPEC, ".html").decode()
    assert "</script><script>alert(1)" not in page
    assert r"\u003c/script>\u003cscript>alert(1)\u003c/script>" in page
    assert re.findall(r"""<(?:script|link|img)[^>]*(?:src|href)=["']?(?:https?:)?//""", page) == []


def test_json_is_the_spec_itself() -> None:
    assert json.loads(picture_bytes(SPEC, ".json")) == SPEC


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/rows.json", "file:///etc/127.0.0.1", "/etc/hosts"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_chart_that_would_fetch_its_data_is_not_drawn(tmp_path: Path, url: str, nested: bool) -> None:
    data = {"data": {"url": url, "format": {"type": "csv"}}}
    spec = SPEC | ({"layer": [data]} if nested else data)
    with pytest.raises(CommandFailed, match="cannot be drawn") as failed:
        save_picture(spec, tmp_path / "chart.svg")
    assert "127.0.0.1" not in f"{failed.value.message}{failed.value.hint}"
    assert not list(tmp_path.iterdir())
