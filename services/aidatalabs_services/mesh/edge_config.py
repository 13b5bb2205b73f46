"""What the edge's configuration depends on: addresses, paths and limits, as plain values.

The mesh fills an `EdgeConfig`; `mesh.edge.render_edge_config` turns it into Envoy's configuration. Nothing
here knows how a process is started, nothing there knows where HOME is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class EdgeLimits:
    """Bounds kept at the edge; the defaults are the contract's."""

    rest_body_bytes: int = 2 * 1024 * 1024
    """Largest body of a REST request; larger ones get 413."""

    grpc_message_bytes: int = 16 * 1024 * 1024
    """Largest native gRPC request body."""

    sql_in_uri_bytes: int = 8 * 1024
    """Longest SQL in a URI; longer statements are POSTed."""

    connection_count: int = 12_000
    """Downstream connections held at once, all clients together."""

    request_seconds: float = 60.0
    """Longest time of one unary request, the contract's upper bound of a query."""

    idle_seconds: float = 300.0
    """How long a connection without a request stays open."""


@dataclass(frozen=True)
class EdgeConfig:
    """Everything a rendered edge configuration is made of."""

    listen_host: str
    """Address the one port is bound to; loopback on a developer's machine."""

    listen_port: int
    """The one port, `AIDATALABS_PORT`."""

    services: Mapping[str, str]
    """gRPC address of each service by name, `{"agent": "unix:/…/agent.sock"}`."""

    identity_http_address: str
    """Where identity serves JWKS and login over plain HTTP, `unix:/…/identity-http.sock`."""

    admin_socket: Path
    """Unix socket of Envoy's admin interface; it never gets a port."""

    descriptor_set: Path
    """The contract's descriptors for the transcoder, `gen/envoy/descriptors.binpb`."""

    access_log: Path
    """File the JSON access log is appended to."""

    limits: EdgeLimits = field(default_factory=EdgeLimits)
