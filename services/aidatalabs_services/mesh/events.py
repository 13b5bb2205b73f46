"""What the mesh reports while it starts, runs and stops."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum


class EventKind(StrEnum):
    """What happened."""

    PROCESS_STARTING = "PROCESS_STARTING"
    PROCESS_READY = "PROCESS_READY"
    PROCESS_EXITED = "PROCESS_EXITED"
    """A process ended by itself."""
    PROCESS_RESTARTING = "PROCESS_RESTARTING"
    PROCESS_FAILED = "PROCESS_FAILED"
    """A process did not become ready, or ended by itself too often."""
    PROCESS_STOPPED = "PROCESS_STOPPED"
    MESH_READY = "MESH_READY"
    MESH_STOPPING = "MESH_STOPPING"
    MESH_STOPPED = "MESH_STOPPED"
    NOTICE = "NOTICE"
    """Something the reader should know, such as the user PostgreSQL runs as."""


@dataclass(frozen=True)
class MeshEvent:
    """One thing that happened: `process` is empty when it concerns the whole mesh.

    `text` is a sentence for a terminal; `detail` holds a failed process's last log lines.
    """

    kind: EventKind
    text: str
    process: str = ""
    detail: str = ""

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> MeshEvent:
        """The event of one such line. Raises ValueError for any other text."""
        data = json.loads(line)
        return cls(EventKind(data["kind"]), data["text"], data["process"], data["detail"])


OnEvent = Callable[[MeshEvent], None]
