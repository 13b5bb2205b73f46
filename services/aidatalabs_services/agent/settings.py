"""Settings of the agent service, read from `AIDATALABS_AGENT_…`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from aidatalabs_services.runtime.settings import ServerSettings


class AgentSettings(ServerSettings):
    """What the agent service needs to know beside what every server does."""

    model_config = SettingsConfigDict(
        env_prefix="AIDATALABS_AGENT_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    data_address: str = Field(
        min_length=1,
        description="gRPC address of the data service, `unix:/path.sock` or `host:port`.",
    )
