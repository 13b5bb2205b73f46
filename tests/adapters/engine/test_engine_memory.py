"""The engine's own allocator does as it was told at the start."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client


def test_engine_keeps_freed_memory_for_a_minute(client: Client) -> None:
    stats = str(client.command("SELECT * FROM system.jemalloc_stats"))
    assert "opt.dirty_decay_ms: 60000 (arenas.dirty_decay_ms: 60000)" in stats
