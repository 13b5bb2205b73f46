"""The platform service's settings, from the environment variables AIDATALABS_PLATFORM_…"""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from aidatalabs_services.runtime.settings import ServerSettings

_ADDRESS = r"^(unix:/.+|[^\s:/]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5})$"


class PlatformSettings(ServerSettings):
    """Where platforms are kept and which services this one asks."""

    model_config = SettingsConfigDict(env_prefix="AIDATALABS_PLATFORM_")

    identity_address: str = Field(
        pattern=_ADDRESS, description="gRPC address of the identity service, asked for mesh roles."
    )
    data_address: str = Field(
        pattern=_ADDRESS, description="gRPC address of the data service, which makes platforms' databases."
    )
    agent_address: str = Field(
        default="",
        pattern=f"^$|{_ADDRESS}",
        description="gRPC address of the agent service, which removes conversations and lessons of deleted "
        "platforms; empty: there is none.",
    )
    postgres_url: str = Field(
        pattern=r"^postgres(ql)?://",
        repr=False,
        description="DSN of the PostgreSQL database: `postgresql://…`.",
    )
    postgres_connections: int = Field(
        default=10, ge=1, description="Most connections held open to PostgreSQL."
    )
    delete_grace_hours: float = Field(
        default=168.0,
        ge=0,
        le=8784,
        description="How long a deleted platform can be brought back; 0 removes it at once.",
    )
    id_rest_seconds: float = Field(
        default=6.0,
        ge=0,
        description="Seconds that the id of a deleted platform rests before another may have it: longer than "
        "the 5 that services remember which platform an id means.",
    )
