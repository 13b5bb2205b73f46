"""The embedded ClickHouse: chdb in a process of its own, speaking ClickHouse's HTTP interface.

    parent side    pool.py → process.py            one process and one directory per platform
    child side     __main__.py → launch.py         sandbox.py (walls.py tries it), storage.py, then server.py
    one request    server.py → http1.py → calls.py → statements.py → execution.py (reading.py, streams.py)

The child speaks what an ordinary ClickHouse client needs, so the data service has one adapter for the
embedded engine and for a cluster.
"""

from __future__ import annotations
