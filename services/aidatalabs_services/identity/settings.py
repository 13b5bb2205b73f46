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
        description="Where the public keys are served: `unix:/path.sock` (mode 0600) or `host:port`.",
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
