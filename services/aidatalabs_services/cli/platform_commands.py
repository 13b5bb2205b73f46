"""Commands about platforms."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from aidatalabs.common.v1 import access_service_pb2
from aidatalabs.platform.v1 import platform_pb2, platform_service_pb2
from aidatalabs_services.cli.connection import connect
from aidatalabs_services.cli.data_commands import Form, platform_or_default
from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.screen import Output, as_it_is, console, print_json, print_table


class MemberRole(StrEnum):
    """Roles on a platform; `none` is no role."""

    NONE = "none"
    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


app = typer.Typer(help="Platforms: isolated workspaces with data of their own.", no_args_is_help=True)


@app.command("list")
def list_platforms(output: Form = Output.TABLE) -> None:
    """List the platforms you may see.

    Example: aidatalabs platforms list
    """

    async def work() -> None:
        async with await connect() as client:
            platforms = await client.list_platforms()
        if output is Output.JSON:
            print_json(platform_service_pb2.ListPlatformsResponse(platforms=platforms))
            return
        rows = [
            [one.name, one.display_name, platform_pb2.Platform.State.Name(one.state)] for one in platforms
        ]
        print_table(["platform", "name", "state"], rows)

    run(work())


@app.command()
def get(platform: str, output: Form = Output.TABLE) -> None:
    """Show one platform.

    Example: aidatalabs platforms get demo
    """

    async def work() -> None:
        async with await connect() as client:
            found = await client.get_platform(platform_or_default(platform))
        if output is Output.JSON:
            print_json(found)
            return
        state = platform_pb2.Platform.State.Name(found.state)
        called = as_it_is(found.display_name)
        console.print(f"[bold]{found.name}[/] {called} · {state} · owner {found.owner}")

    run(work())


@app.command()
def create(
    platform_id: Annotated[str, typer.Argument(metavar="ID", help="Lower-case letters, digits and -.")],
    display_name: Annotated[str, typer.Option("--name", help="What people call it.")] = "",
) -> None:
    """Create a platform with its database and standard tables.

    Example: aidatalabs platforms create shop --name "Web shop"
    """

    async def work() -> None:
        async with await connect() as client:
            made = await client.create_platform(platform_id, display_name)
        console.print(f"[bold]{made.name}[/] is {platform_pb2.Platform.State.Name(made.state)}")

    run(work())


@app.command()
def update(
    platform: str,
    display_name: Annotated[str, typer.Option("--name", help="What people call it from now on.")],
) -> None:
    """Rename a platform; its id stays.

    Example: aidatalabs platforms update shop --name "Web shop"
    """

    async def work() -> None:
        named = platform_pb2.Platform(name=platform_or_default(platform), display_name=display_name)
        async with await connect() as client:
            changed = await client.update_platform(named, paths=["display_name"])
        console.print(f"[bold]{changed.name}[/] is called {as_it_is(changed.display_name)}")

    run(work())


@app.command()
def delete(
    platform: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a platform with all its data.

    Example: aidatalabs platforms delete shop --yes
    """
    name = platform_or_default(platform)
    if not yes:
        typer.confirm(f"Delete {name} with all its tables and rows?", abort=True)

    async def work() -> None:
        async with await connect() as client:
            await client.delete_platform(name)
        console.print(f"{name} is deleted")

    run(work())


@app.command()
def members(platform: str, output: Form = Output.TABLE) -> None:
    """List who may use a platform.

    Example: aidatalabs platforms members demo
    """

    async def work() -> None:
        async with await connect() as client:
            found = await client.list_members(platform_or_default(platform))
        if output is Output.JSON:
            print_json(platform_service_pb2.ListMembersResponse(members=found))
            return
        print_table(["member", "role"], [[one.member, _role(one)] for one in found])

    run(work())


@app.command()
def share(
    platform: str,
    member: Annotated[str, typer.Argument(help="users/{id}, or allUsers.")],
    role: Annotated[MemberRole, typer.Option(help="viewer, editor, admin, or none to take it away.")],
) -> None:
    """Give somebody a role on a platform, or take it away.

    Example: aidatalabs platforms share shop allUsers --role viewer
    """

    async def work() -> None:
        name = platform_or_default(platform)
        async with await connect() as client:
            if role is MemberRole.NONE:
                await client.remove_member(name, member)
            else:
                number = access_service_pb2.Role.Value(f"ROLE_{role.name}")
                await client.set_member(name, platform_pb2.Member(member=member, role=number))
        console.print(f"{as_it_is(member)} has the role {role.value} on {name}")

    run(work())


def _role(member: platform_pb2.Member) -> str:
    return access_service_pb2.Role.Name(member.role).removeprefix("ROLE_").lower()
