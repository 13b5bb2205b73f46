"""When gen/typescript can be made, and what is said when it cannot."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.sdk_typescript.package import PACKAGE, require_node


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PACKAGE.parents[1] / "proto"))
    import typescript_source

    return typescript_source


def node_of(folder: Path, version: str) -> str:
    """A PATH on which Node says that it is of this version."""
    node = folder / "node"
    node.write_text(f"#!/bin/sh\necho {version}\n")
    node.chmod(0o755)
    return str(folder)


def test_without_node_it_is_skipped_and_said(
    source: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source.why_not() == "Node 20 is not here"


def test_an_older_node_is_none(source: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", node_of(tmp_path, "v18.20.4"))
    assert source.why_not() == "Node 20 is needed, v18.20.4 is here"


def test_node_without_the_plugin_is_an_error_and_not_skipped(
    source: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", node_of(tmp_path, "v20.1.0"))
    monkeypatch.setattr(source, "PLUGIN", tmp_path / "protoc-gen-es")
    with pytest.raises(SystemExit, match="make node"):
        source.why_not()


def test_here_it_is_made(source: ModuleType) -> None:
    require_node()
    assert source.why_not() == ""
