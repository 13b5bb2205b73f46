"""Draws one picture and ends: a spec as JSON on standard input, the file on standard output.

    python -P -m aidatalabs_services.agent.charts.picture_worker png|svg MEMORY_BYTES CPU_SECONDS

A process of its own, so that a picture that takes too much takes nothing from the service. It can write no
file and start no process; its memory and its time are bounded by the kernel. Exit code 3: it cannot be drawn.
"""

from __future__ import annotations

import json
import resource
import sys

_SCALE = 2.0
_NOT_DRAWN = 3


def main(arguments: list[str]) -> int:
    """Bounds this process, then draws; returns the exit code."""
    form, memory_bytes, cpu_seconds = arguments[0], int(arguments[1]), int(arguments[2])
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    # Not the address space: the JavaScript engine reserves far more of it than it ever writes to.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    spec = json.load(sys.stdin)
    import vl_convert  # after the bounds, which hold for its threads too

    try:
        if form == "svg":
            content = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode()
        else:
            content = vl_convert.vegalite_to_png(spec, scale=_SCALE, allowed_base_urls=[])
    except ValueError:
        return _NOT_DRAWN
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
