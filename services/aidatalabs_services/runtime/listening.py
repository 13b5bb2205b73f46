"""Where a server listens (a private unix socket or a port, plain or mutual TLS) and gRPC's own limits."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import grpc

from aidatalabs_services.runtime.tls import TlsFiles

_UNTAKEN_SECONDS = 5
_ABOVE_LIMIT_BYTES = 1024 * 1024  # a little too large still reaches us, and gets a refusal with its reason


class AddressInUse(Exception):
    """Another process listens on the address already."""


def listen(server: grpc.aio.Server, address: str, tls: TlsFiles | None) -> str:
    """Binds and returns the address with the real port. Raises AddressInUse, or TlsFilesUnreadable."""
    credentials = tls.server_credentials() if tls is not None else None
    if not address.startswith("unix:"):
        host = address.rsplit(":", 1)[0]
        try:
            return f"{host}:{_bind(server, address, credentials)}"
        except RuntimeError:
            raise AddressInUse(f"Another process listens on {address}. Stop it or choose another.") from None
    path = Path(address.removeprefix("unix:").replace("//", "/"))
    remove_stale_socket(path)
    before = os.umask(0o177)
    try:
        _bind(server, f"unix:{path}", credentials)
    except RuntimeError:
        raise AddressInUse(f"Nothing can listen on {path}. Is its folder there and writable?") from None
    finally:
        os.umask(before)
    return f"unix:{path}"


def _bind(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    if credentials is None:
        return server.add_insecure_port(address)
    return server.add_secure_port(address, credentials)


def remove_stale_socket(path: Path) -> None:
    """Removes the socket of a process that is gone; a live one is not taken over."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise AddressInUse(f"{path} is no socket. Remove it or choose another address.")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise AddressInUse(f"Another process listens on {path}. Stop it or choose another address.")


def server_options(receive_bytes: int) -> list[tuple[str, int]]:
    """gRPC's own limits of a server; `receive_bytes` is the largest message that any method takes."""
    return [
        # One port per process; two processes on one port would share connections unevenly and unseen.
        ("grpc.so_reuseport", 0),
        # The default sheds load as CANCELLED from about a thousand calls in flight.
        ("grpc.server.max_pending_requests", 20_000),
        ("grpc.server.max_pending_requests_hard_limit", 40_000),
        # What nobody came to take for so long is ended as CANCELLED; the edge says OVERLOADED instead.
        ("grpc.server_max_unrequested_time_in_server", _UNTAKEN_SECONDS),
        ("grpc.max_receive_message_length", receive_bytes + _ABOVE_LIMIT_BYTES),
        ("grpc.max_send_message_length", 64 * 1024 * 1024),
        ("grpc.max_metadata_size", 32 * 1024),
        ("grpc.absolute_max_metadata_size", 64 * 1024),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        # Clients that send much ping now and then for their flow control; one that keeps pinging is cut off.
        ("grpc.http2.max_ping_strikes", 8),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.max_concurrent_streams", 4_096),
    ]
