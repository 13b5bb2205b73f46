"""The attacks with the SQL door switched off: what the engine holds by itself, row by row.

Each text goes straight to the platform's engine, by the client, with the settings and as the role that the
service uses for people's queries. `engine_wall.json` keeps what held: a change of engine, grants or settings
that lets more through, or less, shows here. `python -m tests.attacks.test_engine_wall` writes the file anew.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs_services.data.ports import QueryLimits
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.runtime.errors import ServiceError
from tests.attacks.outcomes import read, text_of
from tests.attacks.sql_world import SqlWorld, running_sql_world
from tests.attacks.world import CANARY

pytestmark = pytest.mark.asyncio(loop_scope="module")
Row = dict[str, Any]
FILE = Path(__file__).with_name("engine_wall.json")
# Texts alone: rows that are several calls, or attack a cache, a token or the gateway, have no engine to meet.
ROWS = [row for row in read("sql_attacks.json") if "layer" not in row or "door" in row]
# Five thousand columns take a second or not, as the machine pleases.
ROWS = [row for row in ROWS if row["id"] != "SQL-BOMB-013" and not text_of(row).startswith("gen:")]
LIMITS = QueryLimits(1.0, 100, 4 * 1024**2, 64 * 1024**2, 10**8, 10**10, as_reader=True)
AS_OWNER = replace(LIMITS, as_reader=False)
_STATE = (
    "SELECT database, name, total_rows FROM system.tables WHERE database NOT IN"
    " ('system', 'information_schema', 'INFORMATION_SCHEMA') ORDER BY ALL"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SqlWorld]:
    async with running_sql_world(tmp_path_factory.mktemp("w")) as running:
        yield running


async def verdict(world: SqlWorld, row: Row, limits: QueryLimits = LIMITS) -> str:
    """`held` where the engine refused, or gave what is pinned; else `not held`. Never another's word."""
    uid = await world.uid()
    try:
        outcome = await world.warehouse.query(uid, text_of(row), limits=limits, query_id=new_query_id())
    except ServiceError:
        return "held"
    except ValueError:
        return "not held"  # it ran, and gave something else than JSON
    if CANARY in json.dumps(outcome.rows):
        return "not held: another tenant's word came out"
    return "not held" if "reason" in row["outcome"] else "held"


async def verdicts(world: SqlWorld, limits: QueryLimits = LIMITS) -> dict[str, str]:
    """Every row's verdict; fails where one of them changed a table."""
    before = await _state(world)
    found = {row["id"]: await verdict(world, row, limits) for row in ROWS}
    assert await _state(world) == before, "an attack has changed the tables"
    return found


async def _state(world: SqlWorld) -> Any:
    return await world.warehouse._rows(await world.uid(), _STATE)


async def test_what_the_engine_holds_without_the_door_is_what_is_written_down(world: SqlWorld) -> None:
    wanted = json.loads(FILE.read_text(encoding="utf-8"))
    assert await verdicts(world) == wanted["as_reader"]


async def test_nothing_of_another_tenant_comes_out_of_a_shared_engine_without_the_door(
    world: SqlWorld,
) -> None:
    """Fresh ways to the neighbour's database in the same engine, for the reader."""
    for sql in _NEIGHBOURS_WORD:
        row = {"id": sql, "input": sql, "outcome": {"reason": "any"}}
        assert await verdict(world, row) == "held", sql


async def test_ordinary_queries_pass_the_wall(world: SqlWorld) -> None:
    for row in read("sql_ordinary.json"):
        await world.warehouse.query(await world.uid(), text_of(row), limits=LIMITS, query_id=new_query_id())


async def test_a_wall_without_its_reader_is_noticed(world: SqlWorld) -> None:
    """The broken twin: as the owner, read-only, the same texts get further."""
    wanted = json.loads(FILE.read_text(encoding="utf-8"))
    found = await verdicts(world, AS_OWNER)
    assert found != wanted["as_reader"]
    assert found == wanted["as_owner"]


_NEIGHBOURS_WORD = [
    "SELECT * FROM tenant_b.events",
    "SELECT word FROM tenant_b.events UNION ALL SELECT 'x'",
    "SELECT * FROM `tenant_b`.`events`",
    "WITH x AS (SELECT word FROM tenant_b.events) SELECT * FROM x",
    "SELECT 'canary-of-tenant-b' IN tenant_b.events",
    "SELECT (SELECT any(word) FROM tenant_b.events)",
    "SELECT * FROM merge('tenant_b', '.*')",
    "SELECT * FROM merge(REGEXP('.*'), '.*')",
    "SELECT * FROM merge('.*', '^events$')",
    "SELECT * FROM remote('127.0.0.1', tenant_b.events)",
    "SELECT * FROM remote('localhost', 'tenant_b', 'events')",
    "SELECT * FROM cluster('default', tenant_b, events)",
    "SELECT * FROM clusterAllReplicas('default', tenant_b.events)",
    "SELECT * FROM loop(tenant_b.events) LIMIT 1",
    "SELECT * FROM view(SELECT * FROM tenant_b.events)",
    "SELECT * FROM mergeTreeIndex(tenant_b, events, with_marks = true)",
    "SELECT * FROM mergeTreeAnalyzeIndexes(tenant_b, events)",
    "SELECT * FROM mergeTreeProjection(tenant_b, events, p)",
    "SELECT * FROM dictionary('tenant_b.events')",
    "SELECT dictGet('tenant_b.events', 'word', 1)",
    "SELECT joinGet('tenant_b.events', 'word', 1)",
    "SELECT hasColumnInTable('tenant_b', 'events', 'word')",
    "SELECT name FROM system.tables WHERE database = 'tenant_b'",
    "SELECT * FROM system.columns",
    "SELECT * FROM system.parts",
    "SELECT * FROM system.databases",
    "SELECT query FROM system.processes",
    "SELECT * FROM system.query_log",
    "SELECT * FROM system.named_collections",
    "SELECT * FROM system.dictionaries",
    "SELECT * FROM system.server_settings",
    "SELECT * FROM system.merge_tree_settings",
    "SELECT * FROM system.stack_trace",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM INFORMATION_SCHEMA.COLUMNS",
    "SHOW DATABASES",
    "SHOW TABLES FROM tenant_b",
    "SHOW CREATE TABLE tenant_b.events",
    "SHOW PROCESSLIST",
    "SHOW GRANTS",
    "DESCRIBE TABLE tenant_b.events",
    "DESCRIBE tenant_b.events",
    "EXISTS TABLE tenant_b.events",
    "EXPLAIN SELECT * FROM tenant_b.events",
    "EXPLAIN ESTIMATE SELECT * FROM tenant_b.events",
    "EXPLAIN QUERY TREE SELECT * FROM tenant_b.events",
    "EXPLAIN PIPELINE SELECT * FROM events",
    "EXPLAIN TABLE OVERRIDE mysql() COLUMNS (x Int8)",
    "SELECT * FROM (EXPLAIN SELECT * FROM tenant_b.events)",
    "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT * FROM tenant_b.events))",
    "SELECT * FROM viewIfPermitted(SELECT * FROM tenant_b.events ELSE null('word String'))",
    "SELECT * FROM executable('cat', 'TSV', 'a String')",
    "SELECT * FROM file('../../*/store/*', 'LineAsString')",
    "SELECT * FROM fileCluster('default', '/etc/passwd', 'LineAsString')",
    "SELECT file('/proc/self/environ')",
    "SELECT * FROM sqlite('/tmp/x.db', 't')",
    "SELECT * FROM python('x')",
    "SELECT currentDatabase(), currentUser(), hostName()",
    "SELECT getSetting('log_comment')",
    "SELECT getServerSetting('max_server_memory_usage')",
    "SELECT * APPLY(toString) FROM events",
    "SELECT * APPLY(x -> file(x)) FROM events",
    "SELECT {x:Identifier} FROM events",
    "SELECT * FROM {x:Identifier}",
    "SELECT arrayMap(x -> sleep(1), [1])",
    "SELECT arrayReduce('sumIf', [1], [1]), evalMLMethod(1, 2)",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT * FROM events SETTINGS readonly = 0",
    "SET ROLE owner",
    "SET ROLE DEFAULT",
    "SET DEFAULT ROLE owner TO default",
    "KILL QUERY WHERE 1",
    "SELECT 1 INTO OUTFILE 'x.tsv'",
    "SELECT * FROM tenant_b.events FORMAT JSONEachRow",
    "FROM tenant_b.events SELECT *",
    "TABLE tenant_b.events",
    "(((SELECT * FROM tenant_b.events)))",
    "SELECT * FROM events UNION ALL SELECT * FROM tenant_b.events",
    "SELECT * FROM events AS e, tenant_b.events AS b",
    "SELECT * FROM events WHERE user_id IN (SELECT length(word) FROM tenant_b.events)",
    "SELECT * FROM events ARRAY JOIN (SELECT groupArray(word) FROM tenant_b.events) AS w",
    "SELECT * FROM events ORDER BY (SELECT any(word) FROM tenant_b.events)",
    "SELECT * FROM events LIMIT (SELECT count() FROM tenant_b.events)",
    "SELECT * FROM numbers(3)",
    "SELECT * FROM generateRandom('a String') LIMIT 1",
    "SELECT * FROM values('a Int8', 1)",
    "SELECT * FROM `/etc/passwd`",
]


async def _write() -> None:
    with tempfile.TemporaryDirectory(prefix="w") as folder:
        async with running_sql_world(Path(folder)) as world:
            found = {"as_reader": await verdicts(world), "as_owner": await verdicts(world, AS_OWNER)}
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for role, kept in found.items():
        print(role, dict(Counter(kept.values())))  # noqa: T201
        print([key for key, value in kept.items() if value != "held"])  # noqa: T201


if __name__ == "__main__":
    asyncio.run(_write())
