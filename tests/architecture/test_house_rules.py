"""The rules of the house that a linter does not know: who may import what inside a service, and sizes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ROOT / "services" / "aidatalabs_services"
HOUSES = ("agent", "data", "identity", "monitoring", "platform")
# The engine is a process of its own: a server around one driver, with no domain in it.
OUTSIDE_THE_DOMAIN = {
    "bootstrap",
    "ingest_parts",
    "query_parts",
    "servicer",
    "backup_servicer",
    "deletion_servicer",
    "layout_servicer",
    "catalogue_servicer",
    "adapters",
    "settings",
    "engine",
    "messages",
    "catalogue_messages",
    "local",
    "__init__",
}
# pyarrow and numpy are no drivers: columns are what ingest thinks in, and neither does any I/O here.
TRANSPORT_AND_DRIVERS = {
    "grpc",
    "google",
    "aidatalabs",
    "asyncpg",
    "clickhouse_connect",
    "chdb",
    "aiohttp",
    "aiokafka",
    "pydantic_settings",
    "anthropic",
    "openai",
    "httpx2",
}
FILE_LINES = 400
FUNCTION_LINES = 60


def modules(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.py")) if "__pycache__" not in path.parts)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def parts_of(path: Path) -> tuple[str, ...]:
    """(service, first part inside it) of a module below services/."""
    inside = path.relative_to(SERVICES).with_suffix("").parts
    return inside[0], inside[1] if len(inside) > 1 else "__init__"


DOMAIN = [
    path
    for house in HOUSES
    for path in modules(SERVICES / house)
    if parts_of(path)[1] not in OUTSIDE_THE_DOMAIN
]
OURS = [
    path
    for folder in (
        SERVICES,
        *(ROOT / name for name in ("clients/python", "proto", "benchmarks", "tests", "docs")),
    )
    for path in modules(folder)
]


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def forbidden_in_domain(path: Path) -> set[str]:
    found = {name for name in imported(path) if name.split(".")[0] in TRANSPORT_AND_DRIVERS}
    service = f"aidatalabs_services.{parts_of(path)[0]}"
    found |= {
        name for name in imported(path) if name.startswith((f"{service}.adapters", f"{service}.servicer"))
    }
    allowed = ("aidatalabs_services.runtime.errors", "aidatalabs_services.runtime.caller")
    found |= {
        name
        for name in imported(path)
        if name.startswith("aidatalabs_services.runtime") and not name.startswith(allowed)
    }
    return found


@pytest.mark.parametrize("path", DOMAIN, ids=label)
def test_domain_code_knows_no_transport_and_no_driver(path: Path) -> None:
    assert forbidden_in_domain(path) == set()


def test_the_domain_rule_notices_a_violation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.SERVICES", tmp_path)
    broken = tmp_path / "data" / "queries.py"
    broken.parent.mkdir()
    broken.write_text("import grpc\nfrom aidatalabs_services.data.adapters import clickhouse\n")
    assert forbidden_in_domain(broken) == {"grpc", "aidatalabs_services.data.adapters"}


@pytest.mark.parametrize("house", HOUSES)
def test_adapters_know_neither_servicer_nor_bootstrap(house: str) -> None:
    wrong = {
        label(path): name
        for path in modules(SERVICES / house / "adapters")
        for name in imported(path)
        if name.startswith(
            (f"aidatalabs_services.{house}.servicer", f"aidatalabs_services.{house}.bootstrap")
        )
    }
    assert wrong == {}


@pytest.mark.parametrize("house", HOUSES)
def test_the_servicer_knows_no_adapter_and_no_other_services_stubs(house: str) -> None:
    names = imported(SERVICES / house / "servicer.py")
    assert not {name for name in names if f"{house}.adapters" in name}
    stubs = {name for name in names if name.startswith("aidatalabs.") and name.endswith("_grpc")}
    assert all(name.startswith((f"aidatalabs.{house}.", "aidatalabs.common.")) for name in stubs)


def test_files_stay_within_their_size() -> None:
    texts = {label(path): path.read_text() for path in OURS}
    long = {
        name: lines
        for name, text in texts.items()
        if (lines := len(text.splitlines())) > FILE_LINES and "\nMade by " not in text[:1000]
    }
    assert long == {}


def test_functions_stay_within_their_size() -> None:
    long = {}
    for path in OURS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long[f"{label(path)}:{node.name}"] = lines
    assert long == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    idle = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
    assert [label(path) for path in OURS if path.stem in idle] == []


@pytest.mark.parametrize("house", HOUSES)
def test_every_service_has_the_same_rooms(house: str) -> None:
    names = {path.stem for path in modules(SERVICES / house) if path.parent == SERVICES / house}
    assert {"bootstrap", "servicer", "settings"} <= names
