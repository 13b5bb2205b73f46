"""Commands about platforms."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from aidatalabs_services.cli.confirming import Yes, confirm, somebody_can_confirm
from aidatalabs_services.cli.failures import USAGE_EXIT, CommandFailed, run
from aidatalabs_services.cli.forms import Output, RowsOutput, as_it_is
from aidatalabs_services.cli.options import Form, PlatformName, RowsForm, platform_or_default
from aidatalabs_services.cli.screen import console, print_csv, print_data, print_json, print_table

if TYPE_CHECKING:
    from aidatalabs.platform.v1 import platform_pb2


class MemberRole(StrEnum):
    """Roles on a platform; `none` is no role."""

    NONE = "none"
    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


app = typer.Typer(
    help="Platforms: workspaces with data of their own.\n\nExample: aidatalabs platforms create shop",
    no_args_is_help=True,
)


@app.command("list")
def list_platforms(
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Also deleted ones that you can bring back.")
    ] = False,
    output: RowsForm = RowsOutput.TABLE,
) -> None:
    """List the platforms you may see.

    Example: aidatalabs platforms list
    """

    async def work() -> None:
        from aidatalabs.platform.v1 import platform_service_pb2
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            platforms = await client.list_platforms(show_deleted=deleted)
        if output is RowsOutput.JSON:
            print_json(platform_service_pb2.ListPlatformsResponse(platforms=platforms))
            return
        rows = [[one.name, one.display_name, _state(one)] for one in platforms]
        show = print_csv if output is RowsOutput.CSV else print_table
        show(["platform", "name", "state"], rows)

    run(work())


@app.command()
def get(platform: PlatformName, output: Form = Output.TABLE) -> None:
    """Show one platform.

    Example: aidatalabs platforms get demo
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await client.get_platform(platform_or_default(platform))
        if output is Output.JSON:
            print_json(found)
            return
        called = as_it_is(found.display_name)
        console.print(f"[bold]{found.name}[/] {called} · {_state(found)} · owner {found.owner}")

    run(work())


@app.command()
def create(
    platform_id: Annotated[str, typer.Argument(metavar="ID", help="Lower-case letters, digits and -.")],
    display_name: Annotated[str, typer.Option("--name", help="What people call it.")] = "",
    output: Form = Output.TABLE,
) -> None:
    """Create a platform with its database and standard tables.

    Example: aidatalabs platforms create shop --name "Web shop"
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            made = await client.create_platform(platform_id, display_name)
        if output is Output.JSON:
            print_json(made)
        else:
            console.print(f"[bold]{made.name}[/] is {_state(made)}")

    run(work())


@app.command()
def update(
    platform: PlatformName,
    display_name: Annotated[str, typer.Option("--name", help="What people call it from now on.")],
    output: Form = Output.TABLE,
) -> None:
    """Rename a platform; its id stays.

    Example: aidatalabs platforms update shop --name "Web shop"
    """

    async def work() -> None:
        from aidatalabs.platform.v1 import platform_pb2
        from aidatalabs_services.cli.connection import connect

        named = platform_pb2.Platform(name=platform_or_default(platform), display_name=display_name)
        async with await connect() as client:
            changed = await client.update_platform(named, paths=["display_name"])
        if output is Output.JSON:
            print_json(changed)
        else:
            console.print(f"[bold]{changed.name}[/] is called {as_it_is(changed.display_name)}")

    run(work())


@app.command()
def delete(
    platform: PlatformName,
    now: Annotated[
        bool, typer.Option("--now", help="For good: nothing brings it back, a deleted one neither.")
    ] = False,
    yes: Yes = False,
    output: Form = Output.TABLE,
) -> None:
    """Delete a platform with all its data; `undelete` brings it back for a while, unless with --now.

    It asks first; where nobody can answer it needs --yes.

    Example: aidatalabs platforms delete shop --yes
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        name = platform_or_default(platform)
        if not yes and not somebody_can_confirm():
            told = f"Nobody can be asked whether {name} may go with all its data, so it stays."
            raise CommandFailed(told, "Add --yes to delete it without being asked.", USAGE_EXIT)
        if not yes:
            confirm(f"Delete {name} with all its tables and rows{', for good' if now else ''}?")
        async with await connect() as client:
            await client.delete_platform(name, purge=now)
        if output is Output.JSON:
            print_data({"platform": name, "deleted": True})
        else:
            console.print(f"{name} is deleted")

    run(work())


@app.command()
def undelete(platform: PlatformName, output: Form = Output.TABLE) -> None:
    """Bring a deleted platform back with its rows and members, within the grace period.

    Example: aidatalabs platforms undelete shop
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            back = await client.undelete_platform(platform_or_default(platform))
        if output is Output.JSON:
            print_json(back)
        else:
            console.print(f"[bold]{back.name}[/] is {_state(back)} again")

    run(work())


@app.command()
def members(platform: PlatformName, output: RowsForm = RowsOutput.TABLE) -> None:
    """List who may use a platform; e-mails are told to its admins.

    Example: aidatalabs platforms members demo
    """

    async def work() -> None:
        from aidatalabs.platform.v1 import platform_service_pb2
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await client.list_members(platform_or_default(platform))
        if output is RowsOutput.JSON:
            print_json(platform_service_pb2.ListMembersResponse(members=found))
            return
        show = print_csv if output is RowsOutput.CSV else print_table
        show(["member", "role", "email"], [[one.member, _role(one), one.email] for one in found])

    run(work())


@app.command()
def share(
    platform: PlatformName,
    member: Annotated[str, typer.Argument(help="An e-mail, users/{id}, or allUsers.")],
    role: Annotated[MemberRole, typer.Option(help="viewer, editor, admin, or none to take it away.")],
    output: Form = Output.TABLE,
) -> None:
    """Give somebody a role on a platform, or take it away.

    Users are there once they have signed in or were given a token: `aidatalabs users list` shows them.

    Example: aidatalabs platforms share shop ben@example.com --role viewer
    """

    async def work() -> None:
        from aidatalabs.common.v1 import access_service_pb2
        from aidatalabs.platform.v1 import platform_pb2
        from aidatalabs_services.cli.connection import connect

        name = platform_or_default(platform)
        kept = platform_pb2.Member(member=member)
        async with await connect() as client:
            if role is MemberRole.NONE:
                await client.remove_member(name, member)
            else:
                number = access_service_pb2.Role.Value(f"ROLE_{role.name}")
                kept = await client.set_member(name, platform_pb2.Member(member=member, role=number))
        if output is Output.JSON:
            print_data({"platform": name, "member": kept.member, "role": role.value, "email": kept.email})
        else:
            known = f" ({as_it_is(kept.email)})" if kept.email else ""
            console.print(f"{as_it_is(kept.member)}{known} has the role {role.value} on {name}")

    run(work())


def _state(platform: platform_pb2.Platform) -> str:
    from aidatalabs.platform.v1 import platform_pb2

    return str(platform_pb2.Platform.State.Name(platform.state))


def _role(member: platform_pb2.Member) -> str:
    from aidatalabs.common.v1 import access_service_pb2

    return access_service_pb2.Role.Name(member.role).removeprefix("ROLE_").lower()
