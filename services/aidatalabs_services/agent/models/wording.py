"""Text that crosses the border between a model and people: shortened, one line, nothing that acts."""

from __future__ import annotations

import re

_LINK = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://\S+|\bwww\.\S+|\bdata:\S+")
_MARKUP = re.compile(r"[<>`\[\]{}|\\]|!\[")
_TOLD_CHARACTERS = 240


def one_line(text: str, most: int) -> str:
    """Printable text on one line, at most so many characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def told(text: object, most: int = _TOLD_CHARACTERS) -> str:
    """A model's own words as people may see them: no links, no markup, one line; empty for what is no text.

    A model may repeat what somebody planted in the data, so its words must not be able to load or open
    anything where they are shown.
    """
    if not isinstance(text, str):
        return ""
    return one_line(_MARKUP.sub(" ", _LINK.sub("(link left out)", text)), most)
