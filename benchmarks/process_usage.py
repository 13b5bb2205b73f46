"""What the processes under a load used of the machine: CPU seconds and the most memory each had at once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_MIB = 1024 * 1024
_KEPT_PEAK = "5"
"""Written to `clear_refs`, the kernel's VmHWM starts again at what is in use now; see proc(5)."""


@dataclass(frozen=True)
class Used:
    """CPU seconds, user and system, and the peak of resident memory in MiB; both over all pids of a name."""

    cpu_seconds: float
    peak_mib: float


class ProcessUsage:
    """Counts from its making on what the named processes use; threads of theirs that end are counted too."""

    def __init__(self, pids: Mapping[str, list[int]]) -> None:
        self._pids = pids
        self._begun = {name: _cpu_seconds(found) for name, found in pids.items()}
        for pid in (pid for found in pids.values() for pid in found):
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text(_KEPT_PEAK)

    def used(self) -> dict[str, Used]:
        """What each name has used so far."""
        return {
            name: Used(_cpu_seconds(found) - self._begun[name], sum(map(_peak_mib, found)))
            for name, found in self._pids.items()
        }


def _cpu_seconds(pids: list[int]) -> float:
    total = 0.0
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total


def _peak_mib(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / _MIB
    return 0.0
