"""Pictures drawn by vl-convert, each in a process of its own with bounded time, memory and size."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping

from aidatalabs_services.agent.charts.enclosure import encloses_itself
from aidatalabs_services.agent.ports import PictureForm
from aidatalabs_services.runtime.errors import InternalError, Overloaded, ServiceUnavailable

_WORKER = "aidatalabs_services.agent.charts.picture_worker"
_AT_ONCE = 2
_WAITING = 16
_SECONDS = 20.0
_CPU_SECONDS = 15
_MEMORY_BYTES = 1024 * 1024 * 1024
_LARGEST_BYTES = 8 * 1024 * 1024


class PictureProcesses:
    """A `Drawer`: at most 2 pictures at once, 16 more wait; the process of a call that ends is killed."""

    def __init__(
        self,
        *,
        seconds: float = _SECONDS,
        memory_bytes: int = _MEMORY_BYTES,
        most_bytes: int = _LARGEST_BYTES,
    ) -> None:
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._held = 0
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._most_bytes = most_bytes

    async def draw(self, spec: Mapping[str, object], picture: PictureForm) -> bytes:
        """See Drawer."""
        if not encloses_itself(spec):
            raise InternalError("This chart is not whole by itself and was not drawn.")
        if self._held >= _AT_ONCE + _WAITING:
            raise Overloaded("Too many pictures are being drawn. Try again in a moment.")
        self._held += 1
        try:
            async with self._places:
                return await self._drawn(json.dumps(spec).encode(), picture)
        finally:
            self._held -= 1

    async def _drawn(self, spec: bytes, picture: PictureForm) -> bytes:
        command = [sys.executable, "-P", "-m", _WORKER, picture, str(self._memory_bytes), str(_CPU_SECONDS)]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(),
            cwd="/",
        )
        try:
            async with asyncio.timeout(self._seconds):
                content, _ = await process.communicate(spec)
        except TimeoutError:
            raise ServiceUnavailable(_TOO_MUCH) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode or not content or len(content) > self._most_bytes:
            raise ServiceUnavailable(_TOO_MUCH)
        return content


_TOO_MUCH = "The picture took more time or memory than it may. Ask for fewer groups, or for the rows."


def _environment() -> dict[str, str]:
    """No setting and no key of the service reaches the process; times are drawn in UTC."""
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ}
    if "PYTHONPATH" in kept:
        kept["PYTHONPATH"] = os.pathsep.join(os.path.abspath(p) for p in kept["PYTHONPATH"].split(os.pathsep))
    return {**kept, "TZ": "UTC", "LANG": "C.UTF-8", "HOME": "/nonexistent"}
