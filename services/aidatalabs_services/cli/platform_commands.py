"""Commands about platforms."""

from __future__ import annotations

from typing import Annotated

import typer

from aidatalabs.platform.v1 import platform_pb2, platform_service_pb2
from aidatalabs_services.cli.connection import connect
from aidatalabs_services.cli.data_commands import Form, platform_or_default
from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.screen import Output, as_it_is, console, print_json, print_table

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
