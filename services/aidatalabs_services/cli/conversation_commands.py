"""Commands about one's conversations: which there are, what was asked in one, and their end."""

from __future__ import annotations

from typing import Annotated

import typer

from aidatalabs_services.cli.confirming import Yes, confirm, somebody_can_confirm
from aidatalabs_services.cli.failures import run
from aidatalabs_services.cli.forms import Output, RowsOutput, as_it_is
from aidatalabs_services.cli.options import Form, Platform, RowsForm, platform_or_default
from aidatalabs_services.cli.screen import console, print_csv, print_json, print_table

app = typer.Typer(
    help="Your conversations about a platform.\n\nExample: aidatalabs conversations list",
    no_args_is_help=True,
)
ConversationId = Annotated[str, typer.Argument(metavar="ID", help="Id of the conversation.")]


@app.command("list")
def list_conversations(platform: Platform = "", output: RowsForm = RowsOutput.TABLE) -> None:
    """List your conversations, the one that was gone on with last first.

    Example: aidatalabs conversations list
    """

    async def work() -> None:
        from aidatalabs.agent.v1 import agent_service_pb2
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = [one async for one in client.conversations(platform_or_default(platform))]
        if output is RowsOutput.JSON:
            print_json(agent_service_pb2.ListConversationsResponse(conversations=found))
            return
        rows = [
            [one.name, as_it_is(one.title), str(one.turn_count), one.update_time.ToJsonString()]
            for one in found
        ]
        if output is RowsOutput.CSV:
            print_csv(["conversation", "title", "turn_count", "update_time"], rows)
        else:
            print_table(["conversation", "began with", "turns", "last"], rows)

    run(work())


@app.command()
def show(conversation: ConversationId, platform: Platform = "", output: Form = Output.TABLE) -> None:
    """Show what was asked in one of your conversations, and what became of it.

    Example: aidatalabs conversations show 5c1f8a5e-0c1d-4e8e-9d54-3a7e6d0a9b11
    """

    async def work() -> None:
        from aidatalabs_services.cli.connection import connect

        async with await connect() as client:
            found = await client.get_conversation(platform_or_default(platform), conversation)
        if output is Output.JSON:
            print_json(found)
            return
        for turn in found.turns:
            console.print(f"[cyan]{turn.number}[/] [bold]{as_it_is(turn.question)}[/] [dim]{turn.outcome}[/]")
            for line in turn.steps:
                console.print(f"    {as_it_is(line)}")

    run(work())


@app.command()
def delete(
    conversation: Annotated[str, typer.Argument(metavar="[ID]", help="Id of the conversation.")] = "",
    platform: Platform = "",
    everything: Annotated[bool, typer.Option("--all", help="All of your conversations.")] = False,
    user: Annotated[
        str, typer.Option(metavar="USER", help="With --all, as an admin: users/… or - for everybody.")
    ] = "",
    yes: Yes = False,
    output: Form = Output.TABLE,
) -> None:
    """Delete a conversation, or all of them, for good. Before all of them it asks where somebody can answer.

    Example: aidatalabs conversations delete 5c1f8a5e-0c1d-4e8e-9d54-3a7e6d0a9b11
    """
    if bool(conversation) == everything or (user and not everything):
        raise typer.BadParameter("name one conversation, or --all", param_hint="ID")

    async def work() -> None:
        from aidatalabs.agent.v1 import agent_service_pb2
        from aidatalabs_services.cli.connection import connect

        name = platform_or_default(platform)
        if everything and not yes and somebody_can_confirm():
            confirm(f"Delete all conversations about {name}?")
        async with await connect() as client:
            if everything:
                count = await client.delete_conversations(name, user=user)
            else:
                await client.delete_conversation(name, conversation)
                count = 1
        if output is Output.JSON:
            print_json(agent_service_pb2.DeleteConversationsResponse(deleted_count=count))
        else:
            console.print(f"{count:,} deleted")

    run(work())
