"""The certificates of one mesh: made anew at each start, kept beside the sockets, gone with them.

Every service, the edge and the mesh itself (for its health checks) get one. The authority's key is never
written, so that nothing started later can give itself a name.
"""

from __future__ import annotations

from pathlib import Path

from aidatalabs_services.runtime.certificates import mint_certificates
from aidatalabs_services.runtime.tls import TlsFiles

SERVICE_NAMES = ("identity", "platform", "data", "agent", "monitoring")
EDGE_NAME = "edge"
PROBE_NAME = "mesh"
"""Whose certificate the health checks show."""


def certificate_folder(sockets: Path) -> Path:
    """Where the certificates of the mesh with this folder for sockets are."""
    return sockets / "certificates"


def mint_for_mesh(sockets: Path) -> None:
    """Make the folder (0700) and a certificate for every process that speaks gRPC."""
    folder = certificate_folder(sockets)
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    mint_certificates(folder, (*SERVICE_NAMES, EDGE_NAME, PROBE_NAME))


def identity_of(sockets: Path, name: str) -> TlsFiles:
    """The certificate, key and authority of one process."""
    return TlsFiles.of(certificate_folder(sockets), name)
