"""Files and names that are there after a power loss."""

from __future__ import annotations

import os
from pathlib import Path


def durable_file(path: Path, data: bytes) -> None:
    """Writes a whole file so that after a crash it is there complete or not at all."""
    part = path.with_suffix(path.suffix + ".tmp")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Makes the names in a folder durable: which files there are, and what they are called."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
