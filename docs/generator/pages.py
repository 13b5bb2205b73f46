"""The pages of the reference by file name, and whether those on disk are what the code makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from docs.generator import commands_page, errors_page, rpcs_page, settings_page

PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": commands_page.text,
    "errors.md": errors_page.text,
    "rpcs.md": rpcs_page.text,
    "settings.md": settings_page.text,
}


def stale(folder: Path, pages: Mapping[str, Callable[[], str]] = PAGES) -> list[str]:
    """Names of the pages in `folder` that are missing, differ, or that no code makes any more."""
    kept = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    fresh = {name: page() for name, page in pages.items()}
    return sorted(name for name in kept.keys() | fresh.keys() if kept.get(name) != fresh.get(name))
