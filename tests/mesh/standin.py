"""A service that keeps the mesh's process contract and does nothing else: real grpc.aio, real health service.

    python standin.py NAME [MODE]

MODE `stubborn` ignores the lifeline and SIGTERM, `parent` starts a process in a session of its own that
outlives it, `broken` ends at once, `mute` never serves.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from aidatalabs_services.runtime.tls import TlsFiles


async def serve(name: str, mode: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_reader(int(os.environ["AIDATALABS_LIFELINE_FD"]), stop.set)
    if mode == "parent":
        await asyncio.create_subprocess_exec("/bin/sleep", "600", start_new_session=True)
    server = grpc.aio.server()
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    prefix = f"AIDATALABS_{name.upper()}_"
    address = os.environ[f"{prefix}LISTEN_ADDRESS"]
    if f"{prefix}TLS_KEY" in os.environ:
        words = ("TLS_CERTIFICATE", "TLS_KEY", "TLS_AUTHORITY")
        tls = TlsFiles(*(Path(os.environ[prefix + word]) for word in words))
        server.add_secure_port(address, tls.server_credentials())
    else:
        server.add_insecure_port(address)
    await server.start()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    await stop.wait()
    await server.stop(0.2)


if __name__ == "__main__":
    chosen = sys.argv[2] if len(sys.argv) > 2 else ""
    if chosen == "broken":
        raise SystemExit("no key to the treasury")
    if chosen == "mute":
        time.sleep(600)
    asyncio.run(serve(sys.argv[1], chosen))
