"""What `doctor` looks at in a mesh that is up: its processes, a token, an engine's answer, its clock."""

from __future__ import annotations

import email.utils
import http.client
import time
from collections.abc import AsyncIterator

from aidatalabs_client import ApiError, Client
from aidatalabs_services.cli.connection import Access, ConnectionSettings, access
from aidatalabs_services.cli.failures import CommandFailed
from aidatalabs_services.cli.findings import Finding, fine, note, wrong
from aidatalabs_services.cli.options import platform_or_default
from aidatalabs_services.identity.errors import IdentityFault
from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.status import mesh_status
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.migrations import MigrationRefused

_ASK_SECONDS = 5.0
_SKEW_SECONDS = 20.0


async def mesh_findings(home: MeshHome) -> AsyncIterator[Finding]:
    """Every check of the mesh that commands here talk to; one note where none is up."""
    settings = ConnectionSettings()
    elsewhere = bool(settings.address and settings.token)
    if not elsewhere:
        finding = await _processes(home)
        yield finding
        if finding.next_step and finding.state == "note":
            return
    try:
        found = await access()
    except (CommandFailed, IdentityFault, MigrationRefused, ServiceError, OSError) as error:
        told = getattr(error, "message", str(error))
        yield wrong("token", told, "Look at the logs of postgres and identity in HOME/logs.")
        return
    async with Client(found.address, found.token, timeout_seconds=_ASK_SECONDS, patience_seconds=0) as client:
        yield await _token(client)
        yield await _engine(client)
    yield edge_clock(found, time.time())


async def _processes(home: MeshHome) -> Finding:
    status = await mesh_status(home)
    if status.phase == "DOWN" and not status.processes:
        return note("mesh", "none is up in this HOME", "Start it with `aidatalabs up --detach`.")
    if status.serving:
        return fine("mesh", f"{len(status.processes)} processes SERVING at {status.url}")
    ill = [
        f"{one.name} {one.health or one.state}"
        for one in status.processes
        if one.name != "mesh" and one.health != "SERVING"
    ]
    told = f"{status.phase}: {', '.join(ill) or 'no process'}"
    return wrong("mesh", told, "See why with `aidatalabs status`, and the logs in HOME/logs.")


async def _token(client: Client) -> Finding:
    try:
        user = await client.current_user()
    except ApiError as error:
        return wrong("token", error.message, _step(error))
    return fine("token", f"works, for {user.email or user.name}")


async def _engine(client: Client) -> Finding:
    """Asks an engine for 1: of the platform that commands use, or of another one that is seen."""
    try:
        names = [platform.name for platform in await client.list_platforms()]
        if not names:
            return note("engine", "no platform to ask", "Make one with `aidatalabs platforms create ID`.")
        wanted = platform_or_default("")
        name = wanted if wanted in names else names[0]
        answer = await client.query(name, "SELECT 1")
    except ApiError as error:
        return wrong("engine", error.message, _step(error))
    if [row.values[0].number_value for row in answer.result.rows] != [1.0]:
        return wrong("engine", f"{name} answers SELECT 1 otherwise", "Restart the mesh, and report this.")
    return fine("engine", f"{name} answers in {answer.statistics.elapsed_seconds * 1000:.1f} ms")


def _step(error: ApiError) -> str:
    request = f" The request is {error.request_id}." if error.request_id else ""
    return f"{error.reason or error.code}: look at `aidatalabs status` and the logs in HOME/logs.{request}"


def edge_clock(found: Access, now: float) -> Finding:
    """Whether the mesh's clock is this machine's: tokens are good for a while, and 30 s are forgiven."""
    speak = http.client.HTTPSConnection if found.address.startswith("https:") else http.client.HTTPConnection
    asking = speak(found.host_and_port, timeout=_ASK_SECONDS)
    try:
        asking.request("GET", "/healthz")
        date = asking.getresponse().getheader("date")
    except (OSError, http.client.HTTPException):
        return wrong("edge", f"{found.address} does not answer /healthz", "See `aidatalabs status`.")
    finally:
        asking.close()
    if not date:
        return fine("edge", f"{found.address} answers")
    ahead = email.utils.parsedate_to_datetime(date).timestamp() - now
    if abs(ahead) > _SKEW_SECONDS:
        told = f"the mesh's clock differs from this machine's by {ahead:+.0f} s"
        return wrong("edge", told, "Set both by a time server: tokens are refused otherwise.")
    return fine("edge", f"{found.address} answers, its clock agrees")
