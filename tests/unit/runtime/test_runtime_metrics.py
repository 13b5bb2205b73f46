"""Metrics as Prometheus reads them: names word for word, figures that add up, labels that stay few."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from aidatalabs_services.runtime.interceptors.admission import Admission
from aidatalabs_services.runtime.listening import AddressInUse
from aidatalabs_services.runtime.metrics import CallOutcome, Metrics
from aidatalabs_services.runtime.metrics_calls import CallMeter
from aidatalabs_services.runtime.metrics_server import MetricsServer
from aidatalabs_services.runtime.metrics_windows import LastHour, SeenLastHour

SAY = "/echo.v1.EchoService/Say"


async def samples(metrics: Metrics) -> dict[tuple[str, str], float]:
    """(name, labels as text) → value."""
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families((await metrics.text()).decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[sample.name, labels] = sample.value
    return found


async def test_a_total_has_exactly_the_name_it_was_given() -> None:
    metrics = Metrics()
    rows = metrics.total("clickhouse_rows_read", "Rows.")
    rows.add(3)
    rows.add(4)
    found = await samples(metrics)
    assert found["clickhouse_rows_read", ""] == 7
    assert not any(name.startswith("clickhouse_rows_read_") for name, _ in found)


async def test_readings_are_read_at_each_scrape_and_left_out_while_there_is_none() -> None:
    metrics = Metrics()
    figures: dict[str, Any] = {"depth": None}
    refreshed: list[int] = []

    async def refresh() -> None:
        refreshed.append(1)

    metrics.before_reading(refresh)
    metrics.reading("depth", "Depth.", lambda: figures["depth"])
    metrics.reading("pool", "Pool.", lambda: {"idle": 1, "used": 2}, "state")
    assert ("depth", "") not in await samples(metrics)
    figures["depth"] = 5
    found = await samples(metrics)
    assert (found["depth", ""], found["pool", "state=idle"], found["pool", "state=used"]) == (5, 1, 2)
    assert len(refreshed) == 2


async def test_the_process_itself_is_measured() -> None:
    found = await samples(Metrics())
    assert found["process_resident_memory_bytes", ""] > 1_000_000
    assert ("process_cpu_seconds_total", "") in found


async def test_calls_are_counted_by_method_code_and_reason() -> None:
    metrics = Metrics()
    outcomes: list[CallOutcome] = []
    metrics.observers.append(outcomes.append)
    admission = Admission(4, 4, 1000)
    meter = CallMeter(metrics, admission, 4, [SAY])
    first, second = meter.begin(SAY), meter.begin(SAY)
    await admission.take("tenant", 0)
    found = await samples(metrics)
    assert found["grpc_server_in_flight", "grpc_method=Say"] == 2
    assert (found["aidatalabs_calls_running", ""], found["aidatalabs_call_places", ""]) == (1, 4)
    meter.end(first, "OK", "", 0.004)
    meter.end(second, "NOT_FOUND", "PLATFORM_NOT_FOUND", 0.1)
    found = await samples(metrics)
    labels = "grpc_method=Say,grpc_service=echo.v1.EchoService"
    assert found["grpc_server_handled_total", f"grpc_code=OK,{labels}"] == 1
    assert found["grpc_server_handled_total", f"grpc_code=NOT_FOUND,{labels}"] == 1
    assert found["grpc_server_handling_seconds_count", labels] == 2
    assert found["grpc_server_handling_seconds_bucket", f"{labels},le=0.005"] == 1
    assert found["aidatalabs_refusals_total", "grpc_method=Say,reason=PLATFORM_NOT_FOUND"] == 1
    assert found["grpc_server_in_flight", "grpc_method=Say"] == 0
    assert [(one.method, one.code, one.user) for one in outcomes] == [
        (SAY, "OK", ""),
        (SAY, "NOT_FOUND", ""),
    ]


async def test_methods_that_nobody_knows_are_one_however_many_are_tried() -> None:
    metrics = Metrics()
    meter = CallMeter(metrics, Admission(4, 4, 1000), 4, [SAY])
    for number in range(50):
        meter.end(meter.begin(f"/tried.v1.Service/Method{number}"), "UNIMPLEMENTED", "METHOD_NOT_FOUND", 0.0)
    text = (await metrics.text()).decode()
    assert "tried" not in text
    assert 'grpc_server_handled_total{grpc_code="UNIMPLEMENTED",grpc_method="unknown"' in text


async def test_methods_of_one_name_in_two_services_are_under_way_together() -> None:
    metrics = Metrics()
    names = ["/data.v1.DataService/Query", "/agent.v1.AgentService/Query"]
    meter = CallMeter(metrics, Admission(4, 4, 1000), 4, names)
    meter.begin(names[0])
    meter.end(meter.begin(names[1]), "UNIMPLEMENTED", "METHOD_NOT_FOUND", 0.0)
    assert (await samples(metrics))["grpc_server_in_flight", "grpc_method=Query"] == 1


def test_the_last_hour_forgets_by_the_minute() -> None:
    now = [10_000.0]
    window = LastHour(lambda: now[0])
    for step in (0, 30, 60, 3000):
        now[0] = 10_000.0 + step
        window.add()
    assert window.count() == 4
    now[0] = 10_000.0 + 3660
    assert window.count() == 1
    now[0] = 10_000.0 + 100_000
    assert window.count() == 0


def test_who_was_seen_counts_once_within_an_hour_and_never_too_many() -> None:
    now = [0.0]
    window = SeenLastHour(most=3, clock=lambda: now[0])
    for name in ("a", "b", "a"):
        window.add(name)
    assert window.count() == 2
    now[0] = 1800.0
    window.add("a")
    now[0] = 3700.0
    assert window.count() == 1
    for name in "vwxyz":
        window.add(name)
    assert window.count() == 3


async def test_metrics_are_served_on_a_private_socket_which_a_dead_process_leaves_behind(
    tmp_path: Path,
) -> None:
    path = tmp_path / "m.sock"
    for _ in range(2):
        server = MetricsServer(Metrics())
        await server.start(f"unix:{path}")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(AddressInUse):
            await MetricsServer(Metrics()).start(f"unix:{path}")
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as client:
            async with client.get("http://x/metrics") as answer:
                assert answer.content_type == "text/plain"
                assert "process_open_fds" in await answer.text()
            async with client.get("http://x/") as answer:
                assert answer.status == 404
        await server.close()


async def test_metrics_are_served_on_a_port_and_a_taken_one_is_said() -> None:
    server = MetricsServer(Metrics())
    await server.start("127.0.0.1:0")
    assert not server.address.endswith(":0")
    with pytest.raises(AddressInUse):
        await MetricsServer(Metrics()).start(server.address)
    await server.close()
