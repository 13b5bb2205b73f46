"""What the edge's configuration depends on: addresses, paths and limits, as plain values.

The mesh fills an `EdgeConfig`; `mesh.edge.render_edge_config` turns it into Envoy's configuration. Nothing
here knows how a process is started, nothing there knows where HOME is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_MIB = 1024 * 1024


@dataclass(frozen=True)
class EdgeLimits:
    """Bounds kept at the edge; the defaults are the contract's."""

    rest_body_bytes: int = 2 * _MIB
    """Largest body of a REST request; larger ones get 413."""

    rest_answer_bytes: int = 64 * _MIB
    """Largest message of an answer that the edge turns into JSON; a stream may have any number of them."""

    grpc_message_bytes: int = 16 * _MIB
    """Largest native gRPC request body."""

    uri_bytes: int = 8 * 1024
    """Longest path with its query over REST; longer SQL is POSTed. The services get a copy of the path, and
    take 32 KiB of headers."""

    header_kib: int = 32
    """All headers of a request together, in KiB; more get 431."""

    header_count: int = 100
    """Headers of a request; more get 431."""

    connection_count: int = 12_000
    """Downstream connections held at once, all clients together; one more is closed at once."""

    stream_count: int = 512
    """HTTP/2 streams open at once on one connection; clients queue what is more."""

    reset_count: int = 500
    """HTTP/2 streams after which a connection is closed, if most of them were reset within a second."""

    requests_per_turn: int = 16
    """Requests taken from one connection before the others get their turn."""

    memory_bytes: int = 2048 * _MIB
    """Envoy's heap; near it, memory is given back, then new requests get 503."""

    request_seconds: float = 65.0
    """Longest time of one unary request: the contract's upper bound of a query, and time to say so."""

    headers_seconds: float = 10.0
    """How long the headers of a request may take to arrive."""

    upload_seconds: float = 60.0
    """How long a whole request may take to arrive; bounds clients that send a byte now and then."""

    close_seconds: float = 5.0
    """How long a connection that is to close waits for a reader who takes nothing: the end of a file may
    still be in its buffer. As long it takes until a client learns that a stream over HTTP/1 has broken, and
    until a refused request's connection is closed, unless the client closes it."""

    idle_seconds: float = 300.0
    """How long a connection without a request, or a stream on which nothing moves, stays open."""


@dataclass(frozen=True)
class EdgeTls:
    """What the edge shows the services, and whom it believes. PEM files."""

    certificate: Path
    """Its own certificate, with `spiffe://aidatalabs.local/edge`."""

    key: Path
    """The key of it."""

    authority: Path
    """The authority that signed the services' certificates."""


@dataclass(frozen=True)
class EdgeTracing:
    """Where the edge sends its spans, and of how many requests."""

    otlp_endpoint: str = ""
    """The collector, `http://host:4317` (gRPC) or `https://…`; without one spans are made for their ids."""

    sampled_share: float = 1.0
    """Share of all requests whose traces are recorded, here and in every service. What a client wishes does
    not count: it would decide what the collector is sent."""

    authorities: Path = Path("/etc/ssl/certs/ca-certificates.crt")
    """Whom a collector's certificate must come from, for `https`; the system's authorities (PEM)."""

    @property
    def target(self) -> str:
        """The collector's `host:port`."""
        return self.otlp_endpoint.partition("://")[2]

    @property
    def host(self) -> str:
        """The name its certificate must have."""
        return self.target.rpartition(":")[0]

    @property
    def tls(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.otlp_endpoint.startswith("https://")


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
    """Where identity serves JWKS, login and sessions over plain HTTP, `unix:/…/identity-http.sock`."""

    admin_socket: Path
    """Unix socket of Envoy's admin interface; it never gets a port."""

    descriptor_set: Path
    """The contract's descriptors for the transcoder, `gen/envoy/descriptors.binpb`."""

    access_log: Path
    """File the JSON access log is appended to."""

    limits: EdgeLimits = field(default_factory=EdgeLimits)

    tls: EdgeTls | None = None
    """mTLS to the services; None speaks plain h2c to them."""

    tracing: EdgeTracing = field(default_factory=EdgeTracing)

    allowed_origins: tuple[str, ...] = ()
    """Origins whose pages may read answers (`https://app.example.com`); pages of the edge itself always may.
    They send a token: the session cookie stays with our own pages."""

    public_port: int = 0
    """The port browsers see, in the name of the session cookie; 0 is `listen_port`."""

    @property
    def session_cookie(self) -> str:
        """Name of the session cookie. Cookies ignore ports, so the name tells meshes apart."""
        return f"__Host-aidatalabs-{self.public_port or self.listen_port}"
