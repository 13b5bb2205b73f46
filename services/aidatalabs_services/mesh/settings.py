"""The settings of the local mesh, read from the environment once at start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from aidatalabs_services.mesh.errors import TlsNotSupported
from aidatalabs_services.runtime.settings import OtlpEndpoint


def default_home() -> Path:
    """`.aidatalabs` of the working folder; where there is none, that of the clone this code stands in.

    So commands find the clone's mesh from any folder.
    """
    here = Path(".aidatalabs")
    clone = Path(__file__).resolve().parents[3]
    installed_from_clone = (clone / "pyproject.toml").is_file() and (clone / "Makefile").is_file()
    return clone / here if installed_from_clone and not here.is_dir() else here


class MeshSettings(BaseSettings):
    """Where the mesh keeps its state, where it listens and how long it waits."""

    model_config = SettingsConfigDict(env_prefix="AIDATALABS_", frozen=True, extra="ignore")

    home: Path = Field(default=Path(".aidatalabs"))
    """All state; a relative path counts from the working folder. Unset: `.aidatalabs` there, or where there
    is none, that of the clone the commands are installed from."""

    port: int = Field(default=8080, ge=1, le=65535)
    """The edge's one port, bound to loopback."""

    tls_port: int | None = Field(default=None, ge=1, le=65535)
    """Unset: no TLS at the edge. Setting it is refused until the edge serves TLS."""

    mesh_start_timeout_seconds: float = Field(default=60.0, gt=0)
    """How long one process may take until it is ready."""

    mesh_stop_timeout_seconds: float = Field(default=20.0, gt=0)
    """How long one process may take to stop before it is killed: half of it, 7 seconds at most, for calls
    under way, the rest for what it closes, which takes about 10 seconds where Kafka's brokers are away."""

    mesh_hang_seconds: float = Field(default=15.0, gt=0)
    """A process whose health check had no answer for this long is killed and started again."""

    mesh_drain_seconds: float = Field(default=5.0, ge=0)
    """How long the edge waits for requests under way when the mesh stops; with none left it ends at once."""

    mesh_log_bytes: int = Field(default=4 * 1024 * 1024, gt=0)
    """A log longer than this is put aside (`<name>.log.1`) when its process starts."""

    mesh_log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    """Log level of every service that has no `AIDATALABS_<SERVICE>_LOG_LEVEL` of its own."""

    telemetry_otlp_endpoint: OtlpEndpoint = Field(default="")
    """The collector that edge and services send traces to (OTLP, gRPC): `http://127.0.0.1:4317`."""

    telemetry_sampled_share: float = Field(default=1.0, ge=0, le=1)
    """Share of the requests at the edge whose traces are recorded, in every service."""

    @model_validator(mode="before")
    @classmethod
    def _find_home(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {"home": default_home()} | given

    def refuse_what_is_not_built(self) -> None:
        """Raise `TlsNotSupported` when TLS is asked for."""
        if self.tls_port is not None:
            raise TlsNotSupported
