from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aidatalabs_services.identity.local import issue_local_token
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import open_channel


async def start(service: str, **settings: str) -> asyncio.subprocess.Process:
    prefix = f"AIDATALABS_{service.upper()}_"
    environment = {"PATH": os.environ["PATH"], **{prefix + name: text for name, text in settings.items()}}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "aidatalabs_services", service),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def serving(address: str, process: asyncio.subprocess.Process) -> None:
    """Waits until health says SERVING."""
    channel = open_channel(address)
    stub = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest()
    try:
        async with asyncio.timeout(30):
            answer = await stub.Check(request, wait_for_ready=True)
    finally:
        await channel.close()
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert process.returncode is None


async def test_the_service_starts_serves_and_stops_cleanly(postgres_url: str, tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/grpc.sock"
    process = await start(
        "identity",
        LISTEN_ADDRESS=address,
        HTTP_ADDRESS=f"unix:{tmp_path}/http.sock",
        POSTGRES_URL=postgres_url,
        KEY_DIRECTORY=str(tmp_path / "keys"),
        DRAIN_WAIT_SECONDS="0",
    )
    try:
        await serving(address, process)
    finally:
        process.terminate()
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["event"] for line in lines] == ["serving", "draining", "stopped"]
    assert {line["service"] for line in lines} == {"identity"}


@pytest.mark.parametrize("service", ["identity", "platform", "monitoring"])
async def test_wrong_settings_are_all_told_at_once_and_end_with_2(service: str) -> None:
    process = await start(service, LISTEN_ADDRESS="nowhere", RUNNING_CALLS="none")
    out, errors = await process.communicate()
    assert process.returncode == 2
    text = errors.decode()
    wanted: Mapping[str, tuple[str, ...]] = {
        "identity": ("HTTP_ADDRESS", "POSTGRES_URL", "KEY_DIRECTORY"),
        "platform": ("JWKS_URL", "IDENTITY_ADDRESS", "DATA_ADDRESS", "POSTGRES_URL"),
        "monitoring": ("JWKS_URL", "PLATFORM_ADDRESS"),
    }
    for name in ("LISTEN_ADDRESS", "RUNNING_CALLS", *wanted[service]):
        assert f"AIDATALABS_{service.upper()}_{name}: " in text
    assert "Traceback" not in text
    assert out == b""


async def test_a_wrong_value_is_not_printed() -> None:
    process = await start("identity", POSTGRES_URL="mysql://root:hunter2@db/x")
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"AIDATALABS_IDENTITY_POSTGRES_URL" in errors
    assert b"hunter2" not in errors


async def test_an_unknown_service_is_refused_with_the_list_of_those_there_are() -> None:
    process = await start("nope")
    _, errors = await process.communicate()
    assert process.returncode == 2
    for name in ("identity", "platform", "data", "agent", "monitoring"):
        assert name.encode() in errors


async def test_keys_open_to_others_end_the_start_with_1_and_say_what_to_do(
    postgres_url: str, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    await issue_local_token(postgres_url, keys, "ann@example.com", Role.ADMIN, 60)
    keys.chmod(0o755)
    process = await start(
        "identity",
        LISTEN_ADDRESS=f"unix:{tmp_path}/grpc.sock",
        HTTP_ADDRESS=f"unix:{tmp_path}/http.sock",
        POSTGRES_URL=postgres_url,
        KEY_DIRECTORY=str(keys),
    )
    out, _ = await process.communicate()
    assert process.returncode == 1
    assert "chmod 700" in json.loads(out.splitlines()[-1])["problem"]


@pytest.mark.parametrize("service", ["identity", "platform", "monitoring"])
async def test_a_service_imports_no_other_service_and_no_heavy_library(service: str) -> None:
    code = (
        f"import sys, aidatalabs_services.__main__, aidatalabs_services.{service}.bootstrap;"
        "print('\\n'.join(sys.modules))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    loaded = set(out.decode().split())
    others = {"identity", "platform", "data", "agent", "monitoring"} - {service}
    found = {name for name in loaded if name in {f"aidatalabs_services.{other}" for other in others}}
    assert found == set()
    assert not loaded & {"pandas", "pyarrow", "numpy", "sqlglot", "chdb", "clickhouse_connect"}
