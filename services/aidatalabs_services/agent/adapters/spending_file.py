"""The day's spending on models in one small file that survives the process and the machine."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path

import structlog

from aidatalabs_services.agent.models.spending import Spent


class SpendingFile:
    """`SpendingStore` in a file of JSON; one process writes it.

    A file that cannot be read as what was written stops models, rather than make the day's budget new.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self, day: str) -> Mapping[str, Spent]:
        """See SpendingStore. Raises OSError for a file that is not whole."""
        return await asyncio.to_thread(self._load, day)

    async def save(self, day: str, spent: Mapping[str, Spent]) -> None:
        """See SpendingStore. Raises OSError."""
        await asyncio.to_thread(self._save, day, dict(spent))

    def _load(self, day: str) -> Mapping[str, Spent]:
        try:
            kept = json.loads(self._path.read_bytes())
            if kept["day"] != day:
                return {}
            return {
                uid: Spent(int(sums["tokens"]), int(sums["microusd"])) for uid, sums in kept["spent"].items()
            }
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError):
            structlog.get_logger().error("the file of spending on models is damaged", path=str(self._path))
            raise OSError("the file of spending is damaged") from None

    def _save(self, day: str, spent: Mapping[str, Spent]) -> None:
        sums = {uid: {"tokens": one.tokens, "microusd": one.microusd} for uid, one in spent.items()}
        part = self._path.with_name(f"{self._path.name}.tmp")
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"day": day, "spent": sums}, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
            self._sync_name()
        except OSError as error:
            structlog.get_logger().error("spending on models cannot be kept", error=error.strerror or "")
            raise

    def _sync_name(self) -> None:
        descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
