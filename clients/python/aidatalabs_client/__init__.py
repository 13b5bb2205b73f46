"""The Python client of AI Data Labs.

async with Client("127.0.0.1:8080", token) as client:
    answer = await client.ask("platforms/demo", "flights per month")
    print(answer.answer, answer.sql)
"""

from __future__ import annotations

from aidatalabs_client.client import Client
from aidatalabs_client.errors import ApiError
from aidatalabs_client.files import DataFile, FileUnreadable, read_file

__all__ = ["ApiError", "Client", "DataFile", "FileUnreadable", "read_file"]
