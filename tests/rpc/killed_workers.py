"""Workers that are killed with SIGKILL at a moment of one's choice, and what they had said until then."""

from __future__ import annotations

import signal
import subprocess
import time

import psutil


def killed_after(
    worker: subprocess.Popen[str], word: str, seconds: float, *, engine_too: bool
) -> list[list[str]]:
    """The words of each whole line of a worker that is killed this long after the first that begins so."""
    assert worker.stdout is not None
    lines: list[str] = []
    end = float("inf")
    for line in worker.stdout:
        lines.append(line)
        if line.startswith(word) and end == float("inf"):
            end = time.monotonic() + seconds
        if time.monotonic() >= end:
            break
    family = psutil.Process(worker.pid).children(recursive=True) if engine_too else []
    worker.send_signal(signal.SIGKILL)
    for child in family:
        child.kill()
    lines += worker.stdout.readlines()
    worker.wait(10)
    worker.stdout.close()
    return [line.split() for line in lines if line.endswith("\n")]
