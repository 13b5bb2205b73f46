"""Which mesh a command talks to, and as whom.

Without `AIDATALABS_TOKEN` a command speaks for the local operator: whoever can read the mesh's keys in HOME
may make a token for anybody, so it makes one for itself.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from aidatalabs_client import Client
from aidatalabs_client.connection import is_this_machine
from aidatalabs_services.cli.failures import CommandFailed
from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.state import MeshPhase, MeshRecord, mesh_is_locked, read_record
from aidatalabs_services.runtime.caller import Role

OPERATOR_SECONDS = 3600.0
_UNAVAILABLE_EXIT = 14
_UNAUTHENTICATED_EXIT = 16


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


@dataclass(frozen=True)
class Access:
    """Where the edge is (`host:port`, or its URL), and the token to show there."""

    address: str
    token: str = field(repr=False)

    @property
    def host_and_port(self) -> str:
        """The address without what a URL has around it."""
        return self.address.partition("//")[2].rstrip("/") if "//" in self.address else self.address

    def client(self) -> Client:
        """A client for it; call this inside the loop that will use it."""
        return Client(self.address, self.token)


async def access() -> Access:
    """The mesh and the user that the environment names. Raises CommandFailed."""
    settings = ConnectionSettings()
    if settings.token:
        return Access(settings.address or _edge_address(running_record()), settings.token)
    if settings.address and not is_this_machine(settings.address):
        raise CommandFailed(
            f"AIDATALABS_ADDRESS names another machine, {settings.address}, and there is no token for it.",
            "Set AIDATALABS_TOKEN to one of that mesh: those that commands make are for this machine's own.",
            _UNAUTHENTICATED_EXIT,
            code="UNAUTHENTICATED",
            reason="TOKEN_MISSING",
        )
    token = await local_token(settings.operator_email, Role.ADMIN, OPERATOR_SECONDS)
    return Access(settings.address or _edge_address(running_record()), token)


async def connect() -> Client:
    """A client for the mesh and the user that the environment names. Raises CommandFailed."""
    return (await access()).client()


async def local_token(email: str, role: Role | None, ttl_seconds: float) -> str:
    """A token of the local mesh, signed with its own key. Raises CommandFailed when it is not up."""
    return await token_of(running_record(), email, role, ttl_seconds)


async def token_of(record: MeshRecord, email: str, role: Role | None, ttl_seconds: float) -> str:
    """A token of the mesh with this record."""
    from aidatalabs_services.identity.local import issue_local_token  # slow to import, and not always needed
    from aidatalabs_services.runtime.postgres_server import running_url

    keys = MeshHome.at(Path(record.home)).keys
    url = running_url(Path(record.socket_folder) / "postgres")
    return await issue_local_token(url, keys, email, role, ttl_seconds)


async def operator_access(record: MeshRecord) -> Access:
    """The mesh with this record, as its first admin."""
    token = await token_of(record, ConnectionSettings().operator_email, Role.ADMIN, OPERATOR_SECONDS)
    return Access(_edge_address(record), token)


def running_record() -> MeshRecord:
    """The record of this HOME's mesh. Raises CommandFailed when it is not up."""
    home = MeshHome.at(MeshSettings().home)
    record = find_record(home)
    if record is None:
        raise _no_mesh(home)
    return record


def _no_mesh(home: MeshHome) -> CommandFailed:
    """The refusal where no mesh is up in this HOME; it names the one that has the port, if any."""
    from aidatalabs_services.mesh.ports import mesh_on

    port = MeshSettings().port
    other = mesh_on(port)
    told = f"No mesh is up in {home.path}."
    hint = (
        "Start it with `aidatalabs up --detach`, or set AIDATALABS_HOME, or AIDATALABS_ADDRESS and "
        "AIDATALABS_TOKEN for another mesh."
    )
    if other is not None and other != home.path:
        told = f"No mesh is up in {home.path}; the one on port {port} has its HOME in {other}."
        hint = (
            f"Speak to that one with `export AIDATALABS_HOME={shlex.quote(str(other))}`, or start this one "
            "with `aidatalabs up --detach` and another AIDATALABS_PORT."
        )
    return CommandFailed(told, hint, _UNAVAILABLE_EXIT, code="UNAVAILABLE", reason="SERVICE_UNAVAILABLE")


def find_record(home: MeshHome) -> MeshRecord | None:
    """The record of the mesh in this HOME, None unless it is up."""
    record = read_record(home) if home.run.exists() and mesh_is_locked(home) else None
    return record if record is not None and record.phase is MeshPhase.UP else None


def _edge_address(record: MeshRecord) -> str:
    return f"127.0.0.1:{record.port}"
