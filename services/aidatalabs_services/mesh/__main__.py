"""The supervisor of a mesh in the background, started by `mesh.control`.

    python -m aidatalabs_services.mesh MODULE:FUNCTION EVENTS_FD

Every event is one line of JSON on standard output, which is `logs/mesh.log`, and until the mesh is ready also
on the pipe the starter reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
from datetime import UTC, datetime
from typing import cast

from aidatalabs_services.mesh.control import ALREADY_UP_CODE
from aidatalabs_services.mesh.errors import AlreadyUp, MeshError, StartFailed
from aidatalabs_services.mesh.events import EventKind, MeshEvent
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.supervisor import Plan, run_mesh


class _Reporter:
    """Writes events to the log, and to the starter until the mesh is ready or failed."""

    def __init__(self, starter: int) -> None:
        self._starter = starter

    def __call__(self, event: MeshEvent) -> None:
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        sys.stdout.write(f"{time} {event.to_json()}\n")
        sys.stdout.flush()
        if self._starter >= 0:
            # The starter may have been interrupted; the mesh goes on.
            with contextlib.suppress(BrokenPipeError):
                os.write(self._starter, f"{event.to_json()}\n".encode())
        if event.kind is EventKind.MESH_READY:
            self.close()

    def close(self) -> None:
        """Let the starter go."""
        if self._starter >= 0:
            os.close(self._starter)
            self._starter = -1


def plan_named(name: str) -> Plan:
    """The plan at `module:function`."""
    module, _, function = name.partition(":")
    return cast(Plan, getattr(importlib.import_module(module), function))


def main(arguments: list[str]) -> int:
    """Run the mesh until it is told to stop; 1 when it did not start, 3 when another one is up."""
    plan, starter = arguments
    os.set_inheritable(int(starter), False)
    report = _Reporter(int(starter))
    try:
        asyncio.run(run_mesh(MeshSettings(), report, plan=plan_named(plan)))
    except AlreadyUp:
        return ALREADY_UP_CODE
    except StartFailed:
        return 1  # reported as an event already
    except MeshError as error:
        report(MeshEvent(EventKind.PROCESS_FAILED, f"mesh did not start: {str(error).rstrip('.')}", "mesh"))
        return 1
    finally:
        report.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
