"""The client without await: in notebooks, threads, after Ctrl-C, after a fork, and when it is closed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from aidatalabs_client import SyncClient
from aidatalabs_client.blocking import LoopThread
from aidatalabs_client.testing import FakeServer

INTERRUPTED = """
import os, signal, threading, time
from aidatalabs_client import SyncClient
from aidatalabs_client.testing import FakeServer

with FakeServer() as fake, SyncClient(fake.address, "t") as client:
    fake.fail(times=1000, retry_after_seconds=5)
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    try:
        client.get_platform("platforms/demo")
    except KeyboardInterrupt:
        print("interrupted", time.monotonic() - begun < 2, len(fake.calls))
    fake._failures.clear()
    print(client.current_user().email)
    child = os.fork()
    if not child:
        for use in (client.current_user, lambda: SyncClient(fake.address, "t")):
            try:
                use()
            except RuntimeError as error:
                print("child", "spawn" in str(error), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print(client.get_platform("platforms/demo").name)
print("end", flush=True)
"""


def test_ctrl_c_cancels_the_call_alone_and_a_fork_says_what_to_do_instead() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=30)
    lines = done.stdout.splitlines()
    assert lines == [
        "interrupted True 1",
        "ana@example.com",
        "child True",
        "child True",
        "platforms/demo",
        "end",
    ], done.stderr
    assert "Traceback" not in done.stderr


async def test_it_works_where_an_event_loop_is_running_as_in_a_notebook() -> None:
    with FakeServer() as fake, SyncClient(fake.address, "t") as client:
        assert client.current_user().email == "ana@example.com"


def test_threads_share_one_client() -> None:
    with FakeServer() as fake, SyncClient(fake.address, "t") as client:
        with ThreadPoolExecutor(8) as pool:
            names = list(pool.map(lambda _: client.get_platform("platforms/demo").name, range(80)))
    assert names == ["platforms/demo"] * 80
    assert len(fake.calls) == 80


def test_all_clients_share_one_thread_and_a_closed_one_says_so() -> None:
    with FakeServer() as fake:
        with SyncClient(fake.address, "t") as first, SyncClient(fake.address, "t") as second:
            first.current_user()
            second.current_user()
        found = [one for one in threading.enumerate() if one.name == "aidatalabs-client"]
        assert len(found) == 1
        with pytest.raises(RuntimeError, match="closed"):
            first.current_user()
        first.close()  # a second time is no error


def streams_under_way() -> list[str]:
    """The server's side of streams: the fake server runs on the clients' own loop."""
    tasks = asyncio.all_tasks(LoopThread.shared().loop)
    return [task.get_name() for task in tasks if "StreamQuery" in task.get_name()]


def test_a_stream_that_is_left_early_ends_on_the_server_too() -> None:
    with FakeServer() as fake, SyncClient(fake.address, "t") as client:
        fake.result("SELECT t", [{"t": "x" * 1_000_000}] * 20)
        stream = client.stream_query("platforms/demo", "SELECT t")
        assert next(stream)
        assert len(streams_under_way()) == 1
        del stream
        assert client.current_user().email
        until = time.monotonic() + 5
        while streams_under_way() and time.monotonic() < until:
            time.sleep(0.01)
        assert streams_under_way() == []


def test_calling_it_from_its_own_thread_is_refused_and_does_not_hang() -> None:
    with FakeServer() as fake, SyncClient(fake.address, "t") as client:
        seen: list[str] = []

        def progress(sent: int, total: int) -> None:
            try:
                client.current_user()
            except RuntimeError as error:
                seen.append(str(error))

        import pyarrow as pa

        client.ingest_frame("platforms/demo", "t", pa.table({"a": [1]}), create=True, progress=progress)
    assert len(seen) == 1
    assert "Await" in seen[0]


async def test_two_loops_at_once_disturb_neither(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeServer() as fake:

        def work() -> None:
            with SyncClient(fake.address, "t") as client:
                for _ in range(30):
                    client.current_user()

        begun = time.monotonic()
        await asyncio.gather(asyncio.to_thread(work), asyncio.to_thread(work))
        assert time.monotonic() - begun < 5
    assert len(fake.calls) == 60
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


STREAM_HELD = """
from aidatalabs_client import SyncClient
from aidatalabs_client.testing import FakeServer

fake = FakeServer().__enter__()
client = SyncClient(fake.address, "t")
fake.result("SELECT t", [{"t": "x" * 100_000}] * 50)
pieces = client.stream_query("platforms/demo", "SELECT t")
print(len(next(pieces)) > 0)
"""
CLOSED_LATE = """
import atexit
clients = []
atexit.register(lambda: [one.close() for one in clients] and print("closed"))

from aidatalabs_client import SyncClient
from aidatalabs_client.testing import FakeServer

def late():
    try:
        clients[0].current_user()
    except RuntimeError as error:
        print(error)

atexit.register(late)
fake = FakeServer().__enter__()
clients.append(SyncClient(fake.address, "t"))
print(clients[0].current_user().email)
"""


@pytest.mark.parametrize(
    ("script", "printed"),
    [
        (STREAM_HELD, ["True"]),
        (
            CLOSED_LATE,
            ["ana@example.com", "The process is ending, and SyncClient's thread has ended.", "closed"],
        ),
    ],
    ids=["a stream is held", "it is closed late"],
)
def test_a_process_ends_whatever_of_a_client_is_left(script: str, printed: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, printed, "")
