"""The Python client of AI Data Labs.

async with Client("127.0.0.1:8080", token) as client:
    answer = await client.ask("platforms/demo", "flights per month")
    print(answer.answer, answer.sql)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aidatalabs_client.client import Client
from aidatalabs_client.errors import ApiError, FileUnreadable

if TYPE_CHECKING:
    from aidatalabs_client.files import DataFile, read_file

__all__ = ["ApiError", "Client", "DataFile", "FileUnreadable", "read_file"]


def __getattr__(name: str) -> object:
    # Reading files needs pyarrow, whose import takes longer than most calls: only who reads files pays.
    if name in ("DataFile", "read_file"):
        from aidatalabs_client import files

        return getattr(files, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
