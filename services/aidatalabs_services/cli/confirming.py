"""Asking before something is deleted."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from aidatalabs_services.cli.screen import notes

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def somebody_can_confirm() -> bool:
    """Whether a person would see the question and can type the answer."""
    return sys.stdin.isatty() and notes.is_terminal


def confirm(question: str) -> None:
    """Asks on the standard error. Raises typer.Abort (exit 1) unless the answer is yes."""
    typer.confirm(question, abort=True, err=True)
