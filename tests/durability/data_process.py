"""The data service as the drill starts it: as it is, or as a broken twin that the drill must find out.

    python data_process.py TWIN                          settings from the environment, as the mesh gives them
    python data_process.py TWIN --alone KEYS PLATFORM    its own judge of tokens and roles, without a mesh

Twins: `none`; `early` acknowledges a moment before its journal has the rows; `tokens` makes a new
deduplication token for every insert, and so stores a block again that it cannot know to be stored; `offsets`
tells Kafka that a message is stored a moment before it is.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.bootstrap import bootstrap
from aidatalabs_services.data.intake import Intake, Waiting
from aidatalabs_services.data.journal_records import ReadGroup
from aidatalabs_services.data.kafka.ports import Message
from aidatalabs_services.data.kafka.sink_lines import Line
from aidatalabs_services.data.receipts import Progress, Taken
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.logs import configure_logging
from aidatalabs_services.runtime.server import run
from aidatalabs_services.runtime.settings import load_settings
from aidatalabs_services.runtime.testing import ALICE, BOB, StaticRoles
from aidatalabs_services.runtime.tokens import TokenVerifier

_EARLY_SECONDS = 0.2
_UNMARKED_SECONDS = 0.1
_UNSTORED_SECONDS = 0.05
# Somebody else's, for the overload drill.
NEIGHBOUR = "platforms/neighbour"


def break_acknowledgement() -> None:
    """A call is acknowledged first and journalled a moment later."""
    journalled = Intake.take
    later: set[asyncio.Task[None]] = set()

    async def journal_later(intake: Intake, waiting: Waiting) -> None:
        await asyncio.sleep(_EARLY_SECONDS)
        await journalled(intake, waiting)

    async def take(self: Intake, waiting: Waiting) -> Taken:
        task = asyncio.create_task(journal_later(self, waiting))
        later.add(task)
        task.add_done_callback(later.discard)
        return Taken(waiting.table.identity, waiting.request, time.time(), Progress())

    Intake.take = take  # type: ignore[method-assign]


def break_tokens() -> None:
    """Every insert has a token of its own; the time in which nobody knows of a stored block is longer."""
    inserted = ClickHouseWarehouse.insert_block

    async def insert_block(self: ClickHouseWarehouse, *words: Any, token: str, **more: Any) -> None:
        await inserted(self, *words, token=f"{token}-{uuid.uuid4()}", **more)
        await asyncio.sleep(_UNMARKED_SECONDS)

    ClickHouseWarehouse.insert_block = insert_block  # type: ignore[method-assign]


def break_offsets() -> None:
    """The offset of a message is committed first and the message inserted a moment later."""
    stored = Line._store

    async def store(self: Line, message: Message, group: ReadGroup) -> None:
        await self._confirm({message.lane: message.offset + 1})
        await asyncio.sleep(_UNSTORED_SECONDS)
        await stored(self, message, group)

    Line._store = store  # type: ignore[method-assign]


TWINS = {
    "none": lambda: None,
    "early": break_acknowledgement,
    "tokens": break_tokens,
    "offsets": break_offsets,
}


async def serve(settings: DataSettings, alone: list[str]) -> None:
    """Serves until told to stop."""
    service = bootstrap(settings)
    if alone:
        keys, platform = alone

        async def source() -> Mapping[str, Any]:
            read: Mapping[str, Any] = json.loads(Path(keys).read_text())
            return read

        roles = StaticRoles(platforms={(platform, ALICE): Role.ADMIN, (NEIGHBOUR, BOB): Role.ADMIN})
        service = replace(service, verifier=TokenVerifier(source), roles=roles)
    await run(service, settings)


def main(arguments: list[str]) -> None:
    """Breaks what is to be broken, then serves."""
    twin, alone = arguments[0], arguments[2:]
    TWINS[twin]()
    settings = load_settings(DataSettings)
    configure_logging("data", settings.log_level)
    asyncio.run(serve(settings, alone))


if __name__ == "__main__":
    main(sys.argv[1:])
