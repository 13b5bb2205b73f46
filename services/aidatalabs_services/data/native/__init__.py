"""From Arrow batches to blocks in ClickHouse's Native format, JSON columns included, without text in between.

block.py        a batch against a table's columns → the buffers of one block
partitions.py   a batch → one batch per partition
suggestions.py  batches seen → paths worth a typed place in the table's JSON type
"""

from __future__ import annotations
