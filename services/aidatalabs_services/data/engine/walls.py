"""Which of the engine's walls stand on this machine: put up in a process that does nothing else.

`python -I -m aidatalabs_services.data.engine.walls FOLDER` prints one JSON object, `on: …` or `off: <why>` by
the name of the wall, and ends. FOLDER takes the place of an engine's folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from aidatalabs_services.data.engine import sandbox
from aidatalabs_services.data.engine.limits import EngineLimits

_SECONDS = 20.0


def try_walls() -> Mapping[str, str]:
    """The walls by name, from a process of its own; empty where it could not be started."""
    with tempfile.TemporaryDirectory(prefix="aidatalabs-walls-") as folder:
        try:
            run = subprocess.run(
                [sys.executable, "-I", "-m", "aidatalabs_services.data.engine.walls", folder],
                capture_output=True,
                env={"LANG": "C.UTF-8"},
                timeout=_SECONDS,
                check=False,
            )
            found: dict[str, str] = json.loads(run.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return {}
    return found


def main() -> None:
    """See the module."""
    folder = Path(sys.argv[1])
    layers = sandbox.early_layers(folder, EngineLimits(), ())
    layers |= sandbox.late_layers(folder, ())
    sys.stdout.write(json.dumps(layers))


if __name__ == "__main__":
    main()
