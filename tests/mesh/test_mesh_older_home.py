"""A HOME that an earlier release wrote is opened by this one, with everything in it.

`homes/29147b1.tar.xz` is what the first milestone left after `down`: the folder `data` as it was, and
PostgreSQL's content as SQL, because its files depend on the machine. It holds `platforms/acme` with a table
of 250 orders, 40 events and a viewer. Its signing key is made here, in the form of that time: no key is kept.
"""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from aidatalabs_services.identity.keys import SigningKey
from aidatalabs_services.runtime.postgres_server import PostgresServer
from tests.e2e.conftest import Mesh, free_port

pytestmark = pytest.mark.mesh

ARCHIVE = Path(__file__).with_name("homes") / "29147b1.tar.xz"
PLATFORM = "platforms/acme"
VIEWER = "ana@example.com"
ORDERS = "6f2b1c9e-0000-4000-8000-000000000002"


@pytest.fixture
async def older(tmp_path: Path) -> AsyncIterator[Mesh]:
    """This release's mesh, up in that HOME."""
    home = tmp_path / "home"
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(home, filter="data")
    write_older_key(home / "keys")
    sockets = Path(tempfile.mkdtemp(prefix="aidatalabs-older-"))
    server = await PostgresServer.start(home / "postgres", sockets)
    try:
        connection = await asyncpg.connect(server.url)
        lines = (home / "metadata.sql").read_text().splitlines()
        # psql's own commands stand among those of the server.
        await connection.execute("\n".join(line for line in lines if not line.startswith("\\")))
        await connection.close()
    finally:
        await server.stop()
        shutil.rmtree(sockets)
    mesh = Mesh(home, free_port())
    try:
        up = mesh.command("up", "--detach", "--no-demo")
        assert up.returncode == 0, up.stdout + up.stderr
        yield mesh
    finally:
        mesh.command("down")


def write_older_key(folder: Path) -> None:
    """A key as the first milestone wrote it: its moment and its private JWK, nothing more."""
    key = SigningKey.generate(datetime(2026, 11, 23, tzinfo=UTC))
    folder.mkdir(mode=0o700)
    path = folder / f"key-{key.kid}.json"
    path.touch(mode=0o600)
    path.write_text(
        json.dumps({"create_time": key.create_time.isoformat(), "private_key": key.private_jwk()})
    )


def rows(mesh: Mesh, sql: str, token: str) -> object:
    reply = mesh.rest("/api/v1/data/query", {"platform": PLATFORM, "sql": sql}, token=token)
    assert reply.status == 200, reply.body
    return reply.body["result"]["rows"]


def test_an_older_home_opens_with_its_rows_members_receipts_and_keys(older: Mesh) -> None:
    keys = {path.name for path in (older.home / "keys").iterdir()}
    assert keys
    admin, viewer = older.admin_token, older.token(VIEWER)
    assert rows(older, "SELECT count(), sum(price), max(item) FROM orders", admin) == [
        [250, "31187.5", "item 6"]
    ]
    # The viewer's role on the platform came along.
    assert rows(older, "SELECT uniqExact(user_id), sum(value) FROM events", viewer) == [[40, 60]]

    orders = [{"id": n, "item": f"item {n % 7}", "price": f"{n}.25"} for n in range(250)]
    body = {"platform": PLATFORM, "table": "orders", "request_id": ORDERS, "rows": orders}
    again = older.rest("/api/v1/data/ingest", body, token=admin)
    assert (again.status, again.body["receipt"]["accepted_count"]) == (200, "250"), again.body
    assert again.body["receipt"]["name"] == f"{PLATFORM}/receipts/{ORDERS}"
    fresh = body | {"request_id": "6f2b1c9e-0000-4000-8000-000000000009", "rows": [orders[0] | {"id": 900}]}
    assert older.rest("/api/v1/data/ingest", fresh, token=admin).status == 200
    assert rows(older, "SELECT count() FROM orders", admin) == [[251]]
    assert keys <= {path.name for path in (older.home / "keys").iterdir()}
