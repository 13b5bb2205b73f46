"""Commands about signing in and signing keys: login-link, keys."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from aidatalabs.identity.v1 import identity_service_pb2 as pb
from aidatalabs_services.cli.connection import ConnectionSettings, connect, running_record
from aidatalabs_services.cli.data_commands import Form
from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.screen import Output, print_json, print_table
from aidatalabs_services.identity.keys import KeyRing, PublicKey
from aidatalabs_services.identity.local import issue_login_code, local_keys
from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.state import MeshRecord
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.postgres_server import running_url

keys_app = typer.Typer(help="Signing keys: every token is signed with the newest.", no_args_is_help=True)

_KID_CHARACTERS = 12
_ROLES = {"": None, "admin": Role.ADMIN, "editor": Role.EDITOR, "viewer": Role.VIEWER}


def add_to(app: typer.Typer) -> None:
    """Adds these commands to the program."""
    app.command()(login_link)
    app.add_typer(keys_app, name="keys")


async def link_of(record: MeshRecord, email: str, role: Role | None) -> str:
    """A link that signs the user of this e-mail in at the mesh's edge: good once, for ten minutes."""
    code = await issue_login_code(running_url(Path(record.socket_folder) / "postgres"), email, role)
    return f"http://127.0.0.1:{record.port}/auth/link?code={code}"


async def first_admin_link(record: MeshRecord) -> str:
    """The same for the local mesh's first admin."""
    return await link_of(record, ConnectionSettings().operator_email, Role.ADMIN)


def login_link(
    email: Annotated[
        str, typer.Option(help="Whose session; the user is created where missing. Empty: the first admin.")
    ] = "",
    role: Annotated[str, typer.Option(help="admin, editor or viewer: sets the mesh role.")] = "",
) -> None:
    """Print a link that signs a browser in, once, within ten minutes; it is the last word of the output.

    Example: aidatalabs login-link --email ana@example.com
    """
    if role not in _ROLES:
        raise typer.BadParameter("should be admin, editor or viewer", param_hint="--role")

    async def work() -> str:
        record = running_record()
        if not email and not role:
            return await first_admin_link(record)
        return await link_of(record, email or ConnectionSettings().operator_email, _ROLES[role])

    print(run(work()))  # noqa: T201 - bare, so that $(aidatalabs login-link) is the link


@keys_app.command()
def rotate(
    request_id: Annotated[str, typer.Option(help="The same id again rotates once.")] = "",
    output: Form = Output.TABLE,
) -> None:
    """Sign new tokens with a new key; tokens of the keys before stay good until they expire.

    Example: aidatalabs keys rotate
    """

    async def work() -> None:
        async with await connect() as client:
            keys = await client.rotate_signing_key(request_id=request_id)
        if output is Output.JSON:
            print_json(pb.RotateSigningKeyResponse(keys=keys))
            return
        rows = [
            [
                _short(key.key_id),
                _moment(key.create_time.ToDatetime()),
                _moment(key.expire_time.ToDatetime() if key.HasField("expire_time") else None),
            ]
            for key in keys
        ]
        print_table(["key", "made", "leaves the key set"], rows)

    run(work())


@keys_app.command("list")
def list_keys() -> None:
    """List the keys of this HOME's mesh, the newest first; the last one waits for the next rotation.

    Example: aidatalabs keys list
    """

    async def work() -> None:
        running_record()  # keys are made where there are none, which is not this command's business
        ring = await local_keys(MeshHome.at(MeshSettings().home).keys)
        rows = [
            [_short(key.kid), _state(ring, key), _moment(key.create_time), _moment(key.expire_time)]
            for key in ring.public()
        ]
        if ring.ahead is not None:
            rows.append([_short(ring.ahead.kid), "next", _moment(ring.ahead.create_time), ""])
        print_table(["key", "state", "made", "leaves the key set"], rows)

    run(work())


def _state(ring: KeyRing, key: PublicKey) -> str:
    if key.kid == ring.signing.kid:
        return "signs"
    return "published" if key.expire_time else "signs within a minute"


def _short(kid: str) -> str:
    """The beginning of a key's id, enough to tell keys apart; JSON and the key set hold all of it."""
    return kid[:_KID_CHARACTERS] + "…"


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z" if moment else ""
