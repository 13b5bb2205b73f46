"""The identity service's settings, from the environment variables AIDATALABS_IDENTITY_…"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from aidatalabs_services.runtime.settings import ServerSettings


class IdentitySettings(ServerSettings):
    """Where users and keys are kept and where the service listens."""

    model_config = SettingsConfigDict(env_prefix="AIDATALABS_IDENTITY_")

    jwks_url: str = Field(default="", description="Unused: this service reads the keys where they are kept.")
    http_address: str = Field(
        pattern=r"^(unix:/.+|[^\s:/]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5})$",
        description="Where the public keys, sign-in and browser sessions are served: `unix:/path.sock` "
        "(mode 0600) or `host:port`.",
    )
    postgres_url: str = Field(
        pattern=r"^postgres(ql)?://",
        repr=False,
        description="DSN of the PostgreSQL database: `postgresql://…`.",
    )
    postgres_connections: int = Field(
        default=10, ge=1, description="Most connections held open to PostgreSQL."
    )
    key_directory: Path = Field(
        description="Directory of the signing keys, mode 0700; the first key is made at the first start."
    )
    edge_port: int = Field(
        default=8080,
        ge=1,
        le=65535,
        description="Port at which browsers reach the edge; it stands in the name of the session "
        "cookie, because cookies are shared by all ports of a host.",
    )
    session_idle_seconds: float = Field(
        default=12 * 3600, ge=120, description="Seconds without a call after which a browser session is over."
    )
    session_longest_seconds: float = Field(
        default=7 * 86_400, ge=120, description="Seconds after which a browser session is over in any case."
    )
