"""The Python client of AI Data Labs.

with SyncClient("127.0.0.1:8080", token) as client:
    answer = client.ask("platforms/demo", "flights per month")
    print(answer, answer.sql, answer.rows())

`Client` has the same methods for `async` code. What they raise is in `aidatalabs_client.errors`, a fake
server for tests in `aidatalabs_client.testing`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from aidatalabs_client.answers import Analysis, Answer, Chart, QueryResult
from aidatalabs_client.client import Client
from aidatalabs_client.errors import ApiError, FileUnreadable
from aidatalabs_client.ingested import Ingested, RowsDiffer

if TYPE_CHECKING:
    from aidatalabs_client.files import DataFile, read_file
    from aidatalabs_client.sync_client import SyncClient

__all__ = [
    "Analysis",
    "Answer",
    "ApiError",
    "Chart",
    "Client",
    "DataFile",
    "FileUnreadable",
    "Ingested",
    "QueryResult",
    "RowsDiffer",
    "SyncClient",
    "read_file",
]

_LATER = {
    "DataFile": "aidatalabs_client.files",
    "SyncClient": "aidatalabs_client.sync_client",
    "read_file": "aidatalabs_client.files",
}


def __getattr__(name: str) -> object:
    # Reading files needs pyarrow, whose import takes longer than most calls: only who uses it pays.
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
