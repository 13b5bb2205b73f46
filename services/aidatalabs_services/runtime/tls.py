"""Who is at the other end of a connection: mutual TLS between services, and the peer's name read from it.

The names are those of a service mesh: `spiffe://aidatalabs.local/<name>` for whoever calls,
`<name>.aidatalabs.internal` for whoever is called. Nothing here looks at metadata: a header can be written by
anybody, a certificate only by the authority.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

AUTHORITY_FILE = "ca.pem"
TRUST_DOMAIN = "aidatalabs.local"
_SPIFFE = f"spiffe://{TRUST_DOMAIN}/"
_PEER_KEY = "peer_spiffe_id"  # gRPC sets it where the certificate holds exactly one URI, a SPIFFE id


def spiffe_id(name: str) -> str:
    """The identity of the service, edge or mesh called `name`, as its certificate carries it."""
    return f"{_SPIFFE}{name}"


def server_name(name: str) -> str:
    """The host name in the certificate of `name`; callers check it against whom they meant to reach."""
    return f"{name}.aidatalabs.internal"


class TlsFilesUnreadable(Exception):
    """A certificate, key or authority cannot be read; the text names the file."""


@dataclass(frozen=True)
class TlsFiles:
    """One process's identity: its certificate, its key and the authority it trusts (PEM files)."""

    certificate: Path
    key: Path
    authority: Path

    @classmethod
    def of(cls, directory: Path, name: str) -> TlsFiles:
        """The files of `name` where `certificates.mint_certificates` wrote them."""
        return cls(directory / f"{name}.pem", directory / f"{name}.key", directory / AUTHORITY_FILE)

    def server_credentials(self) -> grpc.ServerCredentials:
        """For a server that takes only clients with a certificate of the authority."""
        return grpc.ssl_server_credentials(
            [(_read(self.key), _read(self.certificate))],
            root_certificates=_read(self.authority),
            require_client_auth=True,
        )

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """For a channel that presents the certificate and trusts only servers of the authority."""
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.authority),
            private_key=_read(self.key),
            certificate_chain=_read(self.certificate),
        )


def peer_name(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """The name in the caller's certificate (`edge`, `agent`); empty where it is none of ours."""
    found = tuple(context.auth_context().get(_PEER_KEY, ()))
    identity = found[0].decode("utf-8", "replace") if len(found) == 1 else ""
    return identity.removeprefix(_SPIFFE) if identity.startswith(_SPIFFE) else ""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsFilesUnreadable(f"{path} cannot be read: {error.strerror}.") from None
