"""Commands about users, signing in and signing keys: users, login-link, keys."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.forms import Output, RowsOutput
from aidatalabs_services.cli.options import Form, RowsForm
from aidatalabs_services.cli.screen import print_csv, print_data, print_json, print_table

if TYPE_CHECKING:
    from aidatalabs_services.identity.keys import KeyRing, PublicKey
    from aidatalabs_services.mesh.state import MeshRecord
    from aidatalabs_services.runtime.caller import Role

keys_app = typer.Typer(
    help="Signing keys: every token is signed with the newest.\n\nExample: aidatalabs keys list",
    no_args_is_help=True,
)

users_app = typer.Typer(
    help="Users of the mesh, for its admins.\n\nExample: aidatalabs users list",
    no_args_is_help=True,
)

_KID_CHARACTERS = 12


def add_to(app: typer.Typer) -> None:
    """Adds these commands to the program."""
    app.command()(login_link)
    app.add_typer(keys_app, name="keys")
    app.add_typer(users_app, name="users")


async def link_of(record: MeshRecord, email: str, role: Role | None) -> str:
    """A link that signs the user of this e-mail in at the mesh's edge: good once, for ten minutes."""
    from pathlib import Path

    from aidatalabs_services.identity.local import issue_login_code
    from aidatalabs_services.runtime.postgres_server import running_url

    code = await issue_login_code(running_url(Path(record.socket_folder) / "postgres"), email, role)
    return f"http://127.0.0.1:{record.port}/auth/link?code={code}"


async def first_admin_link(record: MeshRecord) -> str:
    """The same for the local mesh's first admin."""
    from aidatalabs_services.cli.connection import ConnectionSettings
    from aidatalabs_services.runtime.caller import Role

    return await link_of(record, ConnectionSettings().operator_email, Role.ADMIN)


def mesh_role(word: str) -> Role | None:
    """The mesh role of `--role`; None where it is empty. Raises typer.BadParameter."""
    if not word:
        return None
    if word not in ("admin", "editor", "viewer"):
        raise typer.BadParameter("should be admin, editor or viewer", param_hint="--role")
    from aidatalabs_services.runtime.caller import Role

    return Role[word.upper()]


def login_link(
    email: Annotated[
        str, typer.Option(help="Whose session; the user is created where missing. Empty: the first admin.")
    ] = "",
    role: Annotated[str, typer.Option(help="admin, editor or viewer: sets the mesh role.")] = "",
    output: Form = Output.TABLE,
) -> None:
    """Print a link that signs a browser in, once, within ten minutes; it is the last word of the output.

    Example: aidatalabs login-link --email ana@example.com
    """
    given = mesh_role(role)

    async def work() -> str:
        from aidatalabs_services.cli.connection import ConnectionSettings, running_record

        record = running_record()
        if not email and not role:
            return await first_admin_link(record)
        return await link_of(record, email or ConnectionSettings().operator_email, given)

    link = run(work())
    if output is Output.JSON:
        print_data({"link": link})
        return
    print(link)  # noqa: T201 - bare, so that $(aidatalabs login-link) is the link


@users_app.command("list")
def list_users(
    find: Annotated[
        str, typer.Option("--filter", help="Such as 'role = EDITOR AND email : \"example\"'.")
    ] = "",
    output: RowsForm = RowsOutput.TABLE,
) -> None:
    """List the users of the mesh; mesh admins may.

    Example: aidatalabs users list
    """

    async def work() -> None:
        from aidatalabs.common.v1 import access_service_pb2
        from aidatalabs.identity.v1 import identity_service_pb2 as pb
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await client.list_users(filter=find)
        if output is RowsOutput.JSON:
            print_json(pb.ListUsersResponse(users=found))
            return
        rows = [
            [
                one.email,
                access_service_pb2.Role.Name(one.mesh_role).removeprefix("ROLE_").lower(),
                one.name,
                _moment(one.create_time.ToDatetime()),
            ]
            for one in found
        ]
        show = print_csv if output is RowsOutput.CSV else print_table
        show(["email", "mesh role", "user", "first seen"], rows)

    run(work())


@keys_app.command()
def rotate(
    request_id: Annotated[str, typer.Option(help="The same id again rotates once.")] = "",
    output: RowsForm = RowsOutput.TABLE,
) -> None:
    """Sign new tokens with a new key; tokens of the keys before stay good until they expire.

    Example: aidatalabs keys rotate
    """

    async def work() -> None:
        from aidatalabs.identity.v1 import identity_service_pb2 as pb
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            keys = await client.rotate_signing_key(request_id=request_id)
        if output is RowsOutput.JSON:
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
        show = print_csv if output is RowsOutput.CSV else print_table
        show(["key", "made", "leaves the key set"], rows)

    run(work())


@keys_app.command("list")
def list_keys(output: RowsForm = RowsOutput.TABLE) -> None:
    """List the keys of this HOME's mesh, the newest first; the last one waits for the next rotation.

    Example: aidatalabs keys list
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import running_record
        from aidatalabs_services.identity.local import local_keys
        from aidatalabs_services.mesh.home import MeshHome
        from aidatalabs_services.mesh.settings import MeshSettings

        running_record()  # keys are made where there are none, which is not this command's business
        ring = await local_keys(MeshHome.at(MeshSettings().home).keys)
        names = ["key", "state", "made", "leaves the key set"]
        rows = [
            [key.kid, _state(ring, key), _moment(key.create_time), _moment(key.expire_time)]
            for key in ring.public()
        ]
        if ring.ahead is not None:
            rows.append([ring.ahead.kid, "next", _moment(ring.ahead.create_time), ""])
        if output is RowsOutput.JSON:
            fields = ("key_id", "state", "create_time", "expire_time")
            moments = [[*row[:2], *(moment.replace(" ", "T") for moment in row[2:])] for row in rows]
            print_data({"keys": [dict(zip(fields, row, strict=True)) for row in moments]})
        elif output is RowsOutput.CSV:
            print_csv(names, rows)
        else:
            print_table(names, [[_short(kid), *rest] for kid, *rest in rows])

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
