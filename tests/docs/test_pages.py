"""Pages written by hand: links lead somewhere, and the files and targets they name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generator.markdown import anchor
from tests.architecture.test_house_rules import ROOT

WRITTEN = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "AGENTS.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
PAGES = [*WRITTEN, *sorted((ROOT / "docs" / "reference").glob("*.md"))]
# Made by running things, or examples.
NOT_KEPT = {
    ".venv/",
    ".aidatalabs/",
    "benchmarks/results.json",
    "benchmarks/durability_kafka.json",
    "reference/",
}
SHORT = {"AGENTS.md": 80, "docs/architecture.md": 200}


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: str) -> set[str]:
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S), re.M):
        name = anchor(re.sub(r"[`*]", "", heading))
        found.append(f"{name}-{found.count(name)}" if name in found else name)
    return set(found)


def broken_links(path: Path, page: str) -> list[str]:
    """Links to files or headings of ours that are not there."""
    broken = []
    prose = re.sub(r"(?<!\[)`[^`\n]+`(?!\])", "", re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        file, _, heading = target.partition("#")
        if file.startswith(("http://", "https://")):
            continue
        aim = (path.parent / file).resolve() if file else path
        text = page if not file else aim.read_text() if aim.is_file() else ""
        if not aim.exists() or (heading and heading not in anchors(text)):
            broken.append(target)
    return broken


def missing_names(page: str) -> set[str]:
    """Paths and targets of make that a page names in code and that are not there."""
    words = re.findall(r"`([^`\n]+)`", page) + re.findall(r"^```bash\n(.*?)^```", page, re.M | re.S)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    missing = {
        f"make {name}"
        for word in words
        for name in re.findall(r"^make ([a-z-]+)", word, re.M)
        if name not in targets
    }
    tops = {one.name for one in ROOT.iterdir()}
    for word in words:
        path = word.split("::")[0]
        whole = re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", path) and "/" in path
        if whole and path.split("/")[0] in tops and path not in NOT_KEPT and not (ROOT / path).exists():
            missing.add(path)
    return missing


@pytest.mark.parametrize("path", PAGES, ids=label)
def test_every_link_leads_somewhere(path: Path) -> None:
    assert broken_links(path, path.read_text()) == []


def test_a_broken_link_is_noticed() -> None:
    path = ROOT / "docs" / "architecture.md"
    assert broken_links(path, "[a](nowhere.md) [b](reference/errors.md#no_such_reason) [c](#nothing)") == [
        "nowhere.md",
        "reference/errors.md#no_such_reason",
        "#nothing",
    ]
    assert (
        broken_links(path, "# A b\n[a](#a-b) [b](reference/errors.md#journal_full) [c](../README.md)") == []
    )


@pytest.mark.parametrize("path", WRITTEN, ids=label)
def test_what_a_page_names_is_there(path: Path) -> None:
    assert missing_names(path.read_text()) == set()


def test_a_name_of_nothing_is_noticed() -> None:
    page = "`make tea` `tests/nothing/` `docs/quickstart.md` `make test`\n```bash\nmake coffee  # now\n```\n"
    assert missing_names(page) == {"make tea", "make coffee", "tests/nothing/"}


@pytest.mark.parametrize("name", SHORT)
def test_a_page_for_a_first_look_stays_short(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= SHORT[name]


def test_every_folder_of_tests_has_its_line() -> None:
    listed = re.findall(r"^\| `(tests/\w+)/` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    folders = [one for one in (ROOT / "tests").iterdir() if (one / "__init__.py").exists()]
    assert sorted(listed) == sorted(label(one) for one in folders)


def test_the_quickstart_and_the_architecture_are_found_from_the_front_page() -> None:
    front = (ROOT / "README.md").read_text()
    for page in ("docs/quickstart.md", "docs/architecture.md", "docs/reference/", "CONTRIBUTING.md"):
        assert f"]({page}" in front, page
