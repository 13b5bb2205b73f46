"""The generated reference: fresh, whole, and noticed when it is not."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from aidatalabs_services.cli.app import app
from docs.generator import REFERENCE, __main__, pages
from tests.architecture.test_house_rules import ROOT, SERVICES

# The mesh hands these to its own children; nobody sets them.
INTERNAL_VARIABLES = {"AIDATALABS_LIFELINE_FD", "AIDATALABS_MESH_OF"}
PROTO = ROOT / "proto" / "aidatalabs"


def kept(name: str) -> str:
    return (REFERENCE / name).read_text()


@cache
def settings_in_the_sources() -> frozenset[str]:
    """`AIDATALABS_DATA_QUERY_SECONDS` of every annotated field below a class with a prefix, read as text."""
    found = set()
    for path in SERVICES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                prefix = re.search(r"env_prefix='(\w+)'", ast.unparse(node))
                shared = "<SERVICE>" if node.name == "ServerSettings" else ""
                for field in node.body:
                    if (prefix or shared) and isinstance(field, ast.AnnAssign):
                        start = prefix[1] if prefix else f"AIDATALABS_{shared}_"
                        found.add(start + ast.unparse(field.target).upper())
    return frozenset(found)


@cache
def variables_in_the_sources() -> frozenset[str]:
    """Every variable of ours that a source spells out."""
    sources = [*SERVICES.rglob("*.py"), *(ROOT / "clients").rglob("*.py"), ROOT / "Makefile"]
    found = {
        name for path in sources for name in re.findall(r"\bAIDATALABS_[A-Z_]*[A-Z]\b", path.read_text())
    }
    return frozenset(found - INTERNAL_VARIABLES)


def missing_settings(page: str) -> set[str]:
    documented = set(re.findall(r"`(AIDATALABS_[A-Z_<>]+)`", page))
    return set((settings_in_the_sources() | variables_in_the_sources()) - documented)


def missing_reasons(page: str) -> set[str]:
    catalogue = (PROTO / "common" / "v1" / "error_reason.proto").read_text()
    reasons = set(re.findall(r"ERROR_REASON_(\w+) = [1-9]", catalogue))
    whole = {
        name
        for name, entry in re.findall(r"^### (\w+)\n(.*?)(?=^##)", page, re.M | re.S)
        if re.search(rf"\*\*What to do:\*\* \w.+(?s:.+)\"reason\": \"{name}\"", entry)
    }
    return reasons - whole


def missing_rpcs(page: str) -> set[str]:
    """Methods without a section, and fields of a request that their method's section does not name."""
    sections = dict(re.findall(r"^### (\w+Service\.\w+)\n(.*?)(?=^##)", page, re.M | re.S))
    missing = set()
    for path in PROTO.rglob("*_service.proto"):
        source = path.read_text()
        service = re.search(r"^service (\w+)", source, re.M)
        assert service
        for rpc, request in re.findall(r"^  rpc (\w+)\((\w+)\)", source, re.M):
            section = sections.get(f"{service[1]}.{rpc}", "")
            body = re.search(rf"^message {request} {{(.*?)}}$", source, re.M | re.S)
            fields = re.findall(r"^  \S.*? (\w+) = \d+", body[1], re.M) if body else []
            missing |= {f"{service[1]}.{rpc}.{one}" for one in fields if f"| `{one}` |" not in section}
            missing |= {f"{service[1]}.{rpc}"} - sections.keys()
    return missing


def commands_of(program: typer.Typer, words: str) -> Iterator[tuple[str, Any]]:
    for one in program.registered_commands:
        assert one.callback
        yield f"{words} {one.name or one.callback.__name__.replace('_', '-')}", one.callback
    for group in program.registered_groups:
        assert group.typer_instance
        yield from commands_of(group.typer_instance, f"{words} {group.name}")


def names_of(parameter: str, told: Any) -> list[str]:
    """What a parameter may be called on its page; typer takes the first name of an option for its default."""
    given = [one for one in (told.default, *(told.param_decls or ())) if str(one).startswith("-")]
    return given or [f"--{parameter.replace('_', '-')}", (told.metavar or parameter).upper()]


def missing_commands(page: str) -> set[str]:
    """Commands without a section, and options that their command's section does not name."""
    sections = dict(re.findall(r"^### ([\w -]+)\n(.*?)(?=^##)", page, re.M | re.S))
    missing = set()
    for words, callback in commands_of(app, "aidatalabs"):
        missing |= {words} - sections.keys()
        for name, parameter in inspect.signature(callback, eval_str=True).parameters.items():
            section = sections.get(words, "").replace("`[", "`").replace("]`", "`")
            told = getattr(parameter.annotation, "__metadata__", ())
            names = names_of(name, told[0]) if told else [f"--{name.replace('_', '-')}", name.upper()]
            if not any(f"`{one}`" in section for one in names):
                missing.add(f"{words} {names[0]}")
    return missing


COMPLETE = {
    "settings.md": missing_settings,
    "errors.md": missing_reasons,
    "rpcs.md": missing_rpcs,
    "cli.md": missing_commands,
}


def test_the_reference_is_fresh() -> None:
    assert pages.stale(REFERENCE) == [], "run `make docs` and commit"


def test_there_is_a_check_for_every_page() -> None:
    assert COMPLETE.keys() == pages.PAGES.keys()


@pytest.mark.parametrize("page", COMPLETE)
def test_a_page_of_the_reference_is_whole(page: str) -> None:
    assert COMPLETE[page](kept(page)) == set()


@pytest.mark.parametrize(
    ("page", "gone", "missing"),
    [
        ("settings.md", "`AIDATALABS_DATA_QUERY_SECONDS`", "AIDATALABS_DATA_QUERY_SECONDS"),
        ("settings.md", "`AIDATALABS_<SERVICE>_RUNNING_CALLS`", "AIDATALABS_<SERVICE>_RUNNING_CALLS"),
        ("settings.md", "`AIDATALABS_HOME` |", "AIDATALABS_HOME"),
        ("errors.md", "### JOURNAL_FULL", "JOURNAL_FULL"),
        ("errors.md", "**What to do:** Get a new token and repeat the call.", "TOKEN_EXPIRED"),
        ("rpcs.md", "### DataService.StreamQuery", "DataService.StreamQuery"),
        ("rpcs.md", "| `partition_by` |", None),
        ("rpcs.md", "| `known_data_version` |", "DataService.DescribeSchema.known_data_version"),
        ("cli.md", "### aidatalabs tables drop", "aidatalabs tables drop"),
        ("cli.md", "`--max-rows`", "aidatalabs query --max-rows"),
    ],
)
def test_what_is_missing_in_a_page_is_noticed(page: str, gone: str, missing: str | None) -> None:
    text = kept(page)
    assert gone in text
    found = COMPLETE[page](text.replace(gone, ""))
    assert found == set() if missing is None else missing in found


def test_a_page_that_is_not_fresh_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "reference"
    shutil.copytree(REFERENCE, folder)
    monkeypatch.setattr(__main__, "REFERENCE", folder)
    assert __main__.main(["--check"]) == 0
    (folder / "errors.md").write_text(kept("errors.md").replace("HTTP 404", "HTTP 410", 1))
    (folder / "rpcs.md").unlink()
    (folder / "metrics.md").write_text("# Nobody makes this\n")
    assert __main__.main(["--check"]) == 1
    assert capsys.readouterr().err.split()[-3:] == ["errors.md", "metrics.md", "rpcs.md"]
    (folder / "metrics.md").unlink()
    assert __main__.main([]) == 0
    assert pages.stale(folder) == []
