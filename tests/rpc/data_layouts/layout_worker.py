"""A process that measures layouts again and again until it is killed, or begins anew and tells what is left.

python layout_worker.py DIRECTORY run      prints `measuring`, then `measured` for each that is done
python layout_worker.py DIRECTORY check    prints one JSON line: what of it is left, and the table's rows
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.admission import Admission
from aidatalabs_services.data.budgets import RowBudget
from aidatalabs_services.data.engine.limits import EngineLimits
from aidatalabs_services.data.engine.pool import EnginePool
from aidatalabs_services.data.layouts.changes import (
    Figure,
    IndexChange,
    IndexKind,
    Key,
    OrderChange,
    ProjectionChange,
)
from aidatalabs_services.data.layouts.copies import CopyLimits
from aidatalabs_services.data.layouts.layouts import LayoutLimits, Layouts
from aidatalabs_services.data.layouts.scratches import Scratches
from aidatalabs_services.data.ports import QueryLimits
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.runtime.caller import Call, set_current_call
from aidatalabs_services.runtime.errors import ServiceUnavailable

UID = "0c7d4b1e-0000-4000-8000-000000000003"
ROWS = 400_000
_LIMITS = QueryLimits(30.0, 1_000_000, 1 << 28, 1 << 29, 10**9, 10**10)
_FILL = f"""
INSERT INTO visits
SELECT toDateTime(1735689600 + number * 30), number % 9973, number % 50 FROM numbers({ROWS})
"""
_LEFT = "SELECT count() FROM system.tables WHERE startsWith(name, '_scratch_')"
_CHANGES = (
    OrderChange(("user_id",)),
    ProjectionChange(group_by=(Key("town"),), figures=(Figure("count"),)),
    IndexChange("user_id", IndexKind.BLOOM_FILTER),
)


async def run(layouts: Layouts) -> None:
    """Measures until the end."""
    while True:
        print("measuring", flush=True)  # noqa: T201
        set_current_call(Call("request", "MeasureLayouts", time.monotonic() + 60))
        found = await layouts.measure(
            UID, "SELECT town, count() FROM visits WHERE user_id = 7 GROUP BY town", "visits", _CHANGES
        )
        assert all(each.comparison and each.comparison.same_result for each in found.trials), found
        print("measured", flush=True)  # noqa: T201


async def check(warehouse: ClickHouseWarehouse, notes: Path) -> None:
    """Tells what is left once the start has had its time."""
    end = time.monotonic() + 20
    left = -1
    while time.monotonic() < end and (left or any(notes.iterdir())):
        left = int((await warehouse.query(UID, _LEFT, limits=_LIMITS, query_id="left")).rows[0][0])
        await asyncio.sleep(0.05)
    rows = await warehouse.query(UID, "SELECT count() FROM visits", limits=_LIMITS, query_id="rows")
    noted = [path.name for path in notes.iterdir()]
    print(json.dumps({"left": left, "notes": noted, "rows": rows.rows[0][0]}))  # noqa: T201


async def main(directory: Path, mode: str) -> None:
    """Opens everything, and works or tells."""
    pool = EnginePool(directory / "engines", EngineLimits(), max_engines=1, idle_seconds=600.0)
    warehouse = ClickHouseWarehouse(EmbeddedServers(pool))
    while True:
        try:
            await warehouse.create_database(UID)
            break
        except ServiceUnavailable:
            await asyncio.sleep(0.1)  # the killed process's engine still holds its directory
    if "visits" not in await warehouse.schema(UID):
        made = "CREATE TABLE visits (at DateTime, user_id UInt64, town UInt8) ENGINE = MergeTree ORDER BY at"
        await warehouse.execute(UID, made, table="visits")
        await warehouse.execute(UID, _FILL, table="visits")
    notes = directory / "scratches"
    notes.mkdir(exist_ok=True)
    layouts = Layouts(
        warehouse,
        Admission(SchemaCache(warehouse.schema, ttl_seconds=5.0), warehouse.database_of),
        RowBudget(0, directory / "budget"),
        Scratches(warehouse, notes),
        _LIMITS,
        LayoutLimits(1, 30.0, 0, CopyLimits(10**6, 1 << 30, 1 << 28)),
    )
    await layouts.start()
    if mode == "run":
        await run(layouts)
    await check(warehouse, notes)
    await layouts.close()
    await warehouse.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
