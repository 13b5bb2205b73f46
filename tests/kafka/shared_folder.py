"""A warehouse that several processes share: blocks in a folder, one file for each token."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from aidatalabs_services.data.schema import Schema
from tests.unit.data_ingest.warehouse import TRIPS


class FolderWarehouse:
    """Keeps the first block of each token, as the engine does, and notes every insert."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def schema(self, uid: str) -> Schema:
        return {TRIPS.name: TRIPS}

    async def dropped_tables(self, uid: str) -> Schema:
        return {}

    async def insert_block(
        self, uid: str, table: str, columns: Sequence[str], payload: bytes, *, format_name: str, token: str
    ) -> None:
        gate = self._folder / f"hold-{os.getpid()}"
        while gate.exists():
            (self._folder / f"held-{os.getpid()}").touch()
            await asyncio.sleep(0.01)
        path = self._folder / f"{hashlib.sha256(token.encode()).hexdigest()}.block"
        if path.exists():
            assert path.read_bytes() == payload, "one token, two blocks"
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(payload)
        part.rename(path)
        with (self._folder / "inserts").open("a") as log:
            log.write(json.dumps({"pid": os.getpid(), "token": token}) + "\n")

    def hold(self, pid: int) -> None:
        """Has the inserts of a process stand still."""
        (self._folder / f"hold-{pid}").touch()

    def held(self, pid: int) -> bool:
        """Whether one of them does."""
        return (self._folder / f"held-{pid}").exists()

    def release(self, pid: int) -> None:
        (self._folder / f"hold-{pid}").unlink()

    def inserts(self) -> list[dict[str, Any]]:
        """Every insert that was done, in order."""
        log = self._folder / "inserts"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def ids(self) -> list[int]:
        """The ids stored, sorted."""
        rows = [pa.ipc.open_stream(path.read_bytes()).read_all() for path in self._folder.glob("*.block")]
        return sorted(each for table in rows for each in table.column("id").to_pylist())
