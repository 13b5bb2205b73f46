"""Where commands look for the mesh when nobody says: here, else in the clone they are installed from."""

from __future__ import annotations

from pathlib import Path

import pytest

from aidatalabs_services.mesh.settings import MeshSettings
from tests.architecture.test_house_rules import ROOT


def test_a_folder_without_a_mesh_leads_to_that_of_the_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIDATALABS_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert MeshSettings().home == ROOT / ".aidatalabs"
    (tmp_path / ".aidatalabs").mkdir()
    assert MeshSettings().home == Path(".aidatalabs")
    monkeypatch.setenv("AIDATALABS_HOME", "/elsewhere")
    assert MeshSettings().home == Path("/elsewhere")
