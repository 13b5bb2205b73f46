"""Load from k6, a program of its own: calls per second and latencies at any number of callers."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

_SCRIPT = Path(__file__).with_name("load.js")
_K6 = Path(sys.executable).with_name("k6")
PROTOSET = Path(__file__).parents[1] / "gen" / "envoy" / "descriptors.binpb"


@dataclass(frozen=True)
class LoadJob:
    """What is called how: `target` is `host:port` for gRPC and a URL for HTTP."""

    kind: str
    """`grpc`, or `http` for a GET."""
    target: str
    headers: dict[str, str]
    method: str = ""
    body: dict[str, str] = field(default_factory=dict)
    connect: dict[str, object] = field(default_factory=lambda: {"plaintext": True})
    """k6's parameters of a gRPC connection."""
    hosts: dict[str, str] = field(default_factory=dict)
    """Addresses by host name: a certificate names its service, not where it listens."""
    callers: int = 1
    seconds: float = 3.0
    protoset: str = str(PROTOSET)


@dataclass(frozen=True)
class Load:
    """What came of it; latencies are of answered calls, in milliseconds."""

    calls: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Answered calls per second."""
        return self.calls / self.seconds


async def load(job: LoadJob) -> Load:
    """Performs the job. Raises RuntimeError with k6's words when it cannot be performed at all."""
    process = await asyncio.create_subprocess_exec(
        str(_K6),
        *("run", "--quiet", "--no-usage-report", "--log-format=raw", str(_SCRIPT)),
        env=os.environ | {"JOB": json.dumps(asdict(job))},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        found = Load(**json.loads(out))
    except ValueError:
        raise RuntimeError(f"k6 did not run: {said.decode()[-500:]}") from None
    if found.errors or not found.calls:
        words = (said.decode().splitlines() or ["nothing"])[0][:300]
        print(f"{found.errors} of {found.calls + found.errors} calls failed; the first said: {words}")
    if not found.calls:
        raise RuntimeError(f"no call to {job.target} was answered: {said.decode()[-600:]}")
    return found
