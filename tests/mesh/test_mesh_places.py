from __future__ import annotations

import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aidatalabs_services.mesh.errors import SocketFolderUnsafe, SocketPathTooLong, TlsNotSupported
from aidatalabs_services.mesh.home import MeshHome, last_lines, put_long_log_aside
from aidatalabs_services.mesh.postgres import Database
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.supervisor import run_mesh
from aidatalabs_services.mesh.topology import local_plan
from tests.mesh.plans import standins, whole_plan

MakeSettings = Callable[..., MeshSettings]


@pytest.fixture
def temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder with a path as short as an ordinary one."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield Path(folder)


def test_state_is_private_and_sockets_have_a_folder_of_their_home(
    tmp_path: Path, temporary_folder: Path
) -> None:
    home = MeshHome.at(tmp_path / "home")
    home.prepare()
    sockets = home.make_socket_folder()
    assert sockets.parent == temporary_folder
    for folder in (home.path, home.keys, home.run, home.logs, sockets):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert MeshHome.at(tmp_path / "other").socket_folder() != sockets
    assert home.make_socket_folder() == sockets


def test_a_socket_folder_made_by_somebody_else_is_refused(tmp_path: Path, temporary_folder: Path) -> None:
    home = MeshHome.at(tmp_path / "home")
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    home.socket_folder().symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SocketFolderUnsafe):
        home.make_socket_folder()
    home.socket_folder().unlink()
    home.socket_folder().mkdir()
    home.socket_folder().chmod(0o770)
    with pytest.raises(SocketFolderUnsafe):
        home.make_socket_folder()


def test_a_folder_too_long_for_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", "/tmp/" + "x" * 90)
    with pytest.raises(SocketPathTooLong):
        MeshHome.at(tmp_path).socket_folder()


def test_a_long_log_is_put_aside_and_its_end_can_be_read(tmp_path: Path) -> None:
    log = tmp_path / "agent.log"
    assert last_lines(log) == ""
    log.write_text("one\ntwo\nthree\n")
    put_long_log_aside(log, 100)
    assert last_lines(log, 2) == "two\nthree"
    put_long_log_aside(log, 5)
    assert not log.exists()
    assert (tmp_path / "agent.log.1").read_text() == "one\ntwo\nthree\n"


async def test_tls_is_refused_until_it_is_served(make_settings: MakeSettings) -> None:
    with pytest.raises(TlsNotSupported):
        await run_mesh(make_settings(tls_port=8443), lambda event: None, plan=standins())


def test_a_service_gets_its_own_settings_and_addresses_only(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIDATALABS_AGENT_PLAN_COUNT", "3")
    monkeypatch.setenv("AIDATALABS_IDENTITY_SECRET", "not for the agent")
    monkeypatch.setenv("AIDATALABS_AGENT_LISTEN_ADDRESS", "0.0.0.0:1")
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    monkeypatch.setattr(Database, "url", "postgresql://here")
    home = MeshHome.at(tmp_path / "home")
    specs = {spec.name: spec for spec in whole_plan(make_settings(), home, Path("/s"))}
    agent = dict(specs["agent"].env())
    assert {name: value for name, value in agent.items() if name.startswith("AIDATALABS_")} == {
        "AIDATALABS_AGENT_PLAN_COUNT": "3",
        "AIDATALABS_AGENT_LOG_LEVEL": "info",
        "AIDATALABS_AGENT_DRAIN_LIMIT_SECONDS": "1.5",
        "AIDATALABS_AGENT_LISTEN_ADDRESS": "unix:/s/agent.sock",
        "AIDATALABS_AGENT_METRICS_ADDRESS": "unix:/s/agent-metrics.sock",
        "AIDATALABS_AGENT_TELEMETRY_OTLP_ENDPOINT": "",
        "AIDATALABS_AGENT_TELEMETRY_SAMPLED_SHARE": "1.0",
        "AIDATALABS_AGENT_IDENTITY_ADDRESS": "unix:/s/identity.sock",
        "AIDATALABS_AGENT_PLATFORM_ADDRESS": "unix:/s/platform.sock",
        "AIDATALABS_AGENT_DATA_ADDRESS": "unix:/s/data.sock",
        "AIDATALABS_AGENT_JWKS_URL": "unix:/s/identity-http.sock",
        "AIDATALABS_AGENT_POSTGRES_URL": "postgresql://here",
        "AIDATALABS_AGENT_MODEL_SPENDING_FILE": str(home.agent / "model-spending.json"),
        "AIDATALABS_AGENT_TLS_CERTIFICATE": "/s/certificates/agent.pem",
        "AIDATALABS_AGENT_TLS_KEY": "/s/certificates/agent.key",
        "AIDATALABS_AGENT_TLS_AUTHORITY": "/s/certificates/ca.pem",
    }
    assert "SOMETHING_ELSE" not in agent
    data = specs["data"].env()
    assert data["AIDATALABS_DATA_DIRECTORY"] == str(home.data)
    assert "AIDATALABS_DATA_DATA_ADDRESS" not in data


def test_the_data_service_alone_keeps_memory_and_the_starter_may_say_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "5")
    monkeypatch.setenv("MALLOC_PERTURB_", "1")
    monkeypatch.setattr(Database, "url", "postgresql://here")
    settings = MeshSettings.model_validate({"home": tmp_path})
    plan = local_plan(settings, MeshHome.at(tmp_path), tmp_path / "sockets")
    kept = {
        spec.name: {name: value for name, value in spec.env().items() if "MALLOC" in name}
        for spec in plan
        if spec.name in ("data", "agent", "monitoring")
    }
    data = kept.pop("data")
    assert data.pop("MALLOC_ARENA_MAX") == "5"
    # More than half a heap of an arena, and the C library takes no notice.
    assert int(data["MALLOC_MMAP_THRESHOLD_"]) <= 32 * 1024**2 < int(data["MALLOC_TRIM_THRESHOLD_"])
    assert set(data) == {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_"}
    assert not any(kept.values())
