"""A fake server for the tests of programs that use this client.

with FakeServer() as fake, SyncClient(fake.address, "any-token") as client:
    fake.answer("flights per month", "There were 12.", rows=[{"month": 1, "flights": 27004}])
    assert client.ask("platforms/demo", "flights per month").rows()[0]["flights"] == 27004

It speaks real gRPC on a free port of this machine, and it is a fake: it answers what it was told to answer,
keeps tables and rows in memory, runs no SQL and understands no question.
"""

from __future__ import annotations

from aidatalabs_client.testing.refusals import Failure
from aidatalabs_client.testing.server import FakeServer, RecordedCall

__all__ = ["Failure", "FakeServer", "RecordedCall"]
