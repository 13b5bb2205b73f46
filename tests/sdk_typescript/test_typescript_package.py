"""The TypeScript client by itself: it compiles strictly, passes its own tests, repeats what it may."""

from __future__ import annotations

import json
import re

import pytest

from aidatalabs_services.runtime.access import Idempotency
from aidatalabs_services.runtime.access_table import TABLE
from aidatalabs_services.runtime.contract import load_contract
from tests.sdk_typescript.package import PACKAGE, build, run


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    build()


def test_the_packages_own_tests_pass() -> None:
    tests = sorted(str(path) for path in (PACKAGE / "build" / "test").glob("*.test.js"))
    done = run("--test", "--test-reporter=tap", *tests)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert counted
    assert int(counted[1]) >= 40
    assert re.search(r"^# skipped 0$", done.stdout, re.MULTILINE)


def test_the_client_repeats_what_the_access_table_says_may_be_repeated() -> None:
    public = {row.method: row for row in TABLE if "edge" in row.peers}
    unary = {
        path
        for service in load_contract()
        for method in service.methods
        if (path := f"/{service.full_name}/{method.name}") in public and not method.server_streaming
    }
    script = """
        import { createClient, isRepeatable } from "@aidatalabs/client";
        import { AgentService } from "@aidatalabs/client/contract/agent/v1/agent_service_pb";
        import { DataService } from "@aidatalabs/client/contract/data/v1/data_service_pb";
        import { IdentityService } from "@aidatalabs/client/contract/identity/v1/identity_service_pb";
        import { MonitoringService } from "@aidatalabs/client/contract/monitoring/v1/monitoring_service_pb";
        import { PlatformService } from "@aidatalabs/client/contract/platform/v1/platform_service_pb";
        const services = [AgentService, DataService, IdentityService, MonitoringService, PlatformService];
        const paths = services.flatMap((service) =>
            service.methods.map((method) => [`/${service.typeName}/${method.name}`, isRepeatable(method)]));
        console.log(JSON.stringify(paths));
    """
    done = run("--input-type=module", "--eval", script)
    assert done.returncode == 0, done.stderr
    repeatable = {path for path, may in json.loads(done.stdout) if may and path in public}
    assert repeatable == {path for path in unary if public[path].idempotency is not Idempotency.NONE}


def test_the_reasons_are_those_of_the_catalogue() -> None:
    from aidatalabs.common.v1.error_reason_pb2 import ErrorReason

    names = [name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()]  # noqa: SIM118
    script = (
        'import { isReason } from "@aidatalabs/client";'
        f"console.log(JSON.stringify({json.dumps(names)}.filter(isReason)))"
    )
    done = run("--input-type=module", "--eval", script)
    assert json.loads(done.stdout) == [name for name in names if name != "UNSPECIFIED"], done.stderr


def test_the_lock_names_no_registry() -> None:
    assert '"resolved"' not in (PACKAGE / "package-lock.json").read_text()
