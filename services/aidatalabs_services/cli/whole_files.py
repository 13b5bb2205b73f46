"""Files that commands write: complete or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from aidatalabs_services.cli.failures import CommandFailed

_NAME_CHARACTERS = 100


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write into; it takes the place of `path` at the end, and is gone where anything is raised.

    A file that is there keeps its permissions, and a link leads to the file it names. What is not complete
    has a name that nobody can have taken before. Raises CommandFailed where nothing can be written.
    """
    place = path.resolve()
    if not place.parent.is_dir():
        raise CommandFailed(f"{path.parent} is no folder to write to.", "Make it, or choose another.")
    try:
        mode = place.stat().st_mode & 0o777 if place.exists() else _new_mode()
        number, name = tempfile.mkstemp(".part", f".{place.name[:_NAME_CHARACTERS]}.", place.parent)
    except OSError as error:
        told = f"{path.parent} cannot be written to: {error.strerror}."
        raise CommandFailed(told, "Choose a folder of your own.") from None
    part = Path(name)
    try:
        with open(number, "wb") as opened:
            yield opened
        part.chmod(mode)
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


def _new_mode() -> int:
    """The permissions of a new file: only by setting the mask can it be read."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
