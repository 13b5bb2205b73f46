"""The two generated modules are fresh, and both clients have the same methods."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import assert_type

import pyarrow as pa

from aidatalabs.data.v1 import table_pb2
from aidatalabs_client import Answer, Client, QueryResult, SyncClient

ROOT = Path(__file__).resolve().parents[2]


def public(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(member)
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def test_errors_and_sync_client_are_what_the_generator_writes() -> None:
    done = subprocess.run(
        [sys.executable, "clients/python/generate_client.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_both_clients_have_the_same_methods_with_the_same_parameters_and_words() -> None:
    awaited, blocking = public(Client), public(SyncClient)
    assert set(awaited) == set(blocking)
    for name, signature in awaited.items():
        ours = [(one.name, one.kind, one.default) for one in signature.parameters.values()]
        theirs = [(one.name, one.kind, one.default) for one in blocking[name].parameters.values()]
        assert ours == theirs, name
        doc = getattr(Client, name).__doc__
        assert doc
        if name != "close":
            assert getattr(SyncClient, name).__doc__ == doc
    assert not any(inspect.iscoroutinefunction(getattr(SyncClient, name)) for name in blocking)
    assert list(inspect.signature(Client).parameters) == list(inspect.signature(SyncClient).parameters)


async def awaited_types(client: Client) -> None:
    """Read by mypy --strict only, as are the users' own programs."""
    assert_type(await client.ask("p", "q"), Answer)
    assert_type((await client.query("p", "s")).rows()[0]["x"] is None, bool)
    async for table in client.tables("p"):
        assert_type(table, table_pb2.Table)


def blocking_types(client: SyncClient) -> None:
    """Read by mypy --strict only."""
    assert_type(client.ask("p", "q"), Answer)
    assert_type(client.query("p", "s"), QueryResult)
    for table in client.tables("p"):
        assert_type(table, table_pb2.Table)
    for piece in client.export("p", "s", "CSV"):
        assert_type(piece, bytes)
    frame: pa.Table = client.query_arrow("p", "s")
    assert frame is not None
