"""The monitoring service's settings, from the environment variables AIDATALABS_MONITORING_…"""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from aidatalabs_services.runtime.settings import ServerSettings


class MonitoringSettings(ServerSettings):
    """Where the service listens and whom it asks for roles."""

    model_config = SettingsConfigDict(env_prefix="AIDATALABS_MONITORING_")

    platform_address: str = Field(
        pattern=r"^(unix:/.+|[^\s:/]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5})$",
        description="gRPC address of the platform service, asked for roles.",
    )
