"""The echo service as a process of its own, for attacks whose outcome is a signal, an exit code or memory.

python -m tests.attacks.grpc_process ADDRESS     prints a token, then its log lines, until SIGTERM
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.logs import configure_logging
from aidatalabs_services.runtime.server import run
from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.testing import ALICE, StaticRoles, TokenMint
from tests.rpc.runtime.echo_service import CONTRACT, TABLE, Echo, EchoResponse

_PAGE_BYTES = 4096


@dataclass
class EchoProcess:
    """The running process and a token it takes; `lines` is its log so far."""

    process: asyncio.subprocess.Process
    token: str

    def memory_bytes(self) -> int:
        """The process's resident memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * _PAGE_BYTES

    def peak_bytes(self) -> int:
        """The most resident memory it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    async def stopped(self) -> tuple[int | None, str]:
        """Asks it to stop; the exit code and the rest of its log."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        rest, _ = await asyncio.wait_for(self.process.communicate(), 30)
        return self.process.returncode, rest.decode()


@asynccontextmanager
async def echo_process(address: str) -> AsyncIterator[EchoProcess]:
    """A process that serves the echo service at `address`; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.attacks.grpc_process",
        address,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        limit=2**24,
    )
    try:
        assert process.stdout is not None
        token = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        while b'"serving"' not in (line := await asyncio.wait_for(process.stdout.readline(), 30)):
            assert line, "the process ended before it served"
        yield EchoProcess(process, token)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _say(request: Any) -> Any:
    """Sleeps for `number` seconds in Say; the streams answer at once."""
    if request.text == "sleep":
        await asyncio.sleep(request.number)
    return EchoResponse(text="done")


def main() -> None:
    """Serves until told to stop; only refusals and faults are logged, so that nobody must read the pipe."""
    mint = TokenMint()
    sys.stdout.write(mint.token() + "\n")
    sys.stdout.flush()
    roles = StaticRoles(mesh={ALICE: Role.VIEWER}, platforms={("platforms/demo", ALICE): Role.EDITOR})
    table = tuple(replace(row, deadline_seconds=20.0) for row in TABLE)
    service = replace(Echo(_say).service(), roles=roles, verifier=mint.verifier())
    settings = ServerSettings(listen_address=sys.argv[1], jwks_url="http://127.0.0.1:9")
    configure_logging("echo")
    asyncio.run(run(service, settings, table=table, contract=CONTRACT))


if __name__ == "__main__":
    main()
