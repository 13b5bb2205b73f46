"""From Arrow batches to blocks in ClickHouse's Native format, JSON columns included, without text in between.

`block.py` makes the buffers of one block of a batch and a table's columns.
"""

from __future__ import annotations
