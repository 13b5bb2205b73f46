"""Durations as people write them."""

from __future__ import annotations

import re

import typer

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of(text: str) -> float:
    """The seconds of `90s`, `30m`, `1h` or `1d`. Raises typer.BadParameter for anything else."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if not found:
        raise typer.BadParameter(f"{text!r} is no duration; write 90s, 30m, 1h or 1d")
    return float(int(found[1]) * _SECONDS[found[2]])
