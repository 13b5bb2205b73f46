"""The machine a run was made on; figures of different machines are not compared."""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def machine() -> dict[str, object]:
    """Cores this process may use, memory in GiB and the name of the processor."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 1024**3, 1),
        "cpu": _cpu_model(),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return "unknown"  # not every architecture names it
