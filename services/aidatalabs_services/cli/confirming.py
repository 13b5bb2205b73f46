"""Asking whoever sits at the terminal: before something is deleted, and how Ctrl-C ends a question."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Annotated

import typer

from aidatalabs_services.cli.screen import notes

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def somebody_can_confirm() -> bool:
    """Whether a person would see the question and can type the answer."""
    return sys.stdin.isatty() and notes.is_terminal


def confirm(question: str) -> None:
    """Asks on the standard error. Raises typer.Abort (exit 1, or 130 for Ctrl-C) unless the answer is yes."""
    with interruptible():
        typer.confirm(question, abort=True, err=True)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Lets Ctrl-C end a question at once: the event loop around a command's work would only note it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    known = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, known)
