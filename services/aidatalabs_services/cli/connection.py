"""Which mesh a command talks to, and as whom.

Without `AIDATALABS_TOKEN` a command speaks for the local operator: whoever can read the mesh's keys in HOME
may make a token for anybody, so it makes one for itself.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from aidatalabs_client import Client
from aidatalabs_services.cli.failures import CommandFailed
from aidatalabs_services.identity.local import issue_local_token
from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.state import MeshPhase, MeshRecord, mesh_is_locked, read_record
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.postgres_server import running_url

OPERATOR_SECONDS = 3600.0


class ConnectionSettings(BaseSettings):
    """Where a command finds its mesh; everything unset means the local mesh of this HOME."""

    model_config = SettingsConfigDict(env_prefix="AIDATALABS_", frozen=True, extra="ignore")

    address: str = Field(default="", description="`host:port` of the edge; empty: the local mesh.")
    token: str = Field(default="", repr=False, description="A token; empty: one made for `operator_email`.")
    operator_email: str = Field(
        default="admin@example.com",
        description="Who commands on this machine speak for: the local mesh's first admin.",
    )
    platform: str = Field(default="platforms/demo", description="The platform commands are about.")


async def connect() -> Client:
    """A client for the mesh and the user that the environment names. Raises CommandFailed."""
    settings = ConnectionSettings()
    if settings.token:
        address = settings.address or _edge_address(running_record())
        return Client(address, settings.token)
    token = await local_token(settings.operator_email, Role.ADMIN, OPERATOR_SECONDS)
    return Client(settings.address or _edge_address(running_record()), token)


async def local_token(email: str, role: Role | None, ttl_seconds: float) -> str:
    """A token of the local mesh, signed with its own key. Raises CommandFailed when it is not up."""
    record = running_record()
    keys = MeshHome.at(MeshSettings().home).keys
    url = running_url(Path(record.socket_folder) / "postgres")
    return await issue_local_token(url, keys, email, role, ttl_seconds)


def running_record() -> MeshRecord:
    """The record of this HOME's mesh. Raises CommandFailed when it is not up."""
    home = MeshHome.at(MeshSettings().home)
    record = read_record(home) if home.run.exists() and mesh_is_locked(home) else None
    if record is None or record.phase is not MeshPhase.UP:
        raise CommandFailed(
            f"No mesh is up in {home.path}.",
            "Start it with `aidatalabs up --detach`, or set AIDATALABS_HOME, or AIDATALABS_ADDRESS and "
            "AIDATALABS_TOKEN for another mesh.",
        )
    return record


def _edge_address(record: MeshRecord) -> str:
    return f"127.0.0.1:{record.port}"
