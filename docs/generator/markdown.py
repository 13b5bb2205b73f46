"""Markdown out of plain texts: headings with anchors, tables, cells that stay in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MADE = "<!-- Made of the code by `make docs`; never edited. -->"


def page(title: str, about: str, parts: Iterable[str]) -> str:
    """A whole page, ending with a line break."""
    return "\n\n".join([f"# {title}", MADE, about.strip(), *parts]) + "\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; every cell becomes one line."""
    lines = [headings, ["---"] * len(headings), *([cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(text: str) -> str:
    """A text as it may stand in a table."""
    return re.sub(r"\s*\n\s*", " ", text.strip()).replace("|", "\\|")


def code(text: str) -> str:
    """A word of the machine; empty stays empty."""
    return f"`{text}`" if text else ""


def anchor(heading: str) -> str:
    """What a heading of this text is reached by: lower case, spaces as dashes, other signs dropped."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


def link(text: str, heading: str, file: str = "") -> str:
    """A link to a heading, on this page or another one; the text is a word of the machine."""
    return f"[`{text}`]({file}#{anchor(heading)})"
