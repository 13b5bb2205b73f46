"""The contract against the code: reasons, the access table, the REST paths that people rely on."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor

import aidatalabs_services
from aidatalabs.common.v1.error_reason_pb2 import ErrorReason
from aidatalabs_services.mesh.edge_refusals import REFUSALS
from aidatalabs_services.runtime.access import AccessTableIncomplete, check_complete
from aidatalabs_services.runtime.access_table import TABLE
from aidatalabs_services.runtime.contract import load_contract
from aidatalabs_services.runtime.errors import ServiceError
from tests.architecture.test_house_rules import ROOT

CATALOGUE = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118
SOURCE = (ROOT / "proto" / "aidatalabs" / "common" / "v1" / "error_reason.proto").read_text()


def error_classes() -> Iterator[type[ServiceError]]:
    for found in pkgutil.walk_packages(aidatalabs_services.__path__, "aidatalabs_services."):
        if found.name.endswith(".errors") and ".mesh." not in found.name:
            for value in vars(importlib.import_module(found.name)).values():
                if isinstance(value, type) and issubclass(value, ServiceError) and value is not ServiceError:
                    yield value


CLASSES = sorted(set(error_classes()), key=lambda one: (one.reason, one.__qualname__))


@pytest.mark.parametrize("error", CLASSES, ids=lambda one: one.__qualname__)
def test_every_error_class_stands_in_the_catalogue_with_its_code(error: type[ServiceError]) -> None:
    entry = re.search(rf"// Code ([A-Z_]+)\.[^=]*?ERROR_REASON_{error.reason} =", SOURCE)
    assert entry, f"{error.reason} is missing in error_reason.proto"
    code = SOURCE[: entry.end()].rpartition("// Code ")[2].partition(".")[0]
    assert code == error.code.name


@pytest.mark.parametrize("error", CLASSES, ids=lambda one: one.__qualname__)
def test_every_error_class_is_named_after_its_reason(error: type[ServiceError]) -> None:
    camel = "".join(word.capitalize() for word in error.reason.split("_"))
    assert error.__name__ in (camel, f"{camel}Error")


def test_every_reason_has_a_class_or_is_the_edges_own() -> None:
    used = {error.reason for error in CLASSES} | {refusal.reason for refusal in REFUSALS}
    assert used >= CATALOGUE


def test_every_reason_has_a_literal_example() -> None:
    for reason in CATALOGUE:
        assert f'{{"reason": "{reason}", "domain": "aidatalabs"' in SOURCE


def test_the_access_table_has_one_row_for_every_rpc() -> None:
    check_complete(TABLE, load_contract())


def test_a_missing_row_is_noticed() -> None:
    with pytest.raises(AccessTableIncomplete, match=re.escape(TABLE[5].method)):
        check_complete(TABLE[:5] + TABLE[6:], load_contract())


def rest_paths(method: MethodDescriptor) -> Iterator[tuple[str, str]]:
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    for one in (rule, *rule.additional_bindings):
        verb = one.WhichOneof("pattern")
        if verb:
            yield verb.upper(), getattr(one, verb)


def test_the_users_fifteen_endpoints_keep_their_names() -> None:
    served = {
        (verb, re.sub(r"\{(?:platform\.)?name=platforms/\*\}", "platforms/{id}", path)): method.full_name
        for service in load_contract()
        for method in service.methods
        for verb, path in rest_paths(method)
    }
    api = "/api/v1"
    expected = {
        ("POST", f"{api}/platforms"): "platform.v1.PlatformService.CreatePlatform",
        ("GET", f"{api}/platforms"): "platform.v1.PlatformService.ListPlatforms",
        ("GET", f"{api}/platforms/{{id}}"): "platform.v1.PlatformService.GetPlatform",
        ("PUT", f"{api}/platforms/{{id}}"): "platform.v1.PlatformService.UpdatePlatform",
        ("DELETE", f"{api}/platforms/{{id}}"): "platform.v1.PlatformService.DeletePlatform",
        ("POST", f"{api}/agents/query"): "agent.v1.AgentService.Query",
        ("POST", f"{api}/agents/design"): "agent.v1.AgentService.Design",
        ("POST", f"{api}/agents/optimize"): "agent.v1.AgentService.Optimize",
        ("POST", f"{api}/agents/analyze"): "agent.v1.AgentService.Analyze",
        ("POST", f"{api}/data/ingest"): "data.v1.DataService.Ingest",
        ("GET", f"{api}/data/query"): "data.v1.DataService.Query",
        ("POST", f"{api}/data/export"): "data.v1.DataService.Export",
        ("GET", f"{api}/monitoring/metrics"): "monitoring.v1.MonitoringService.ListMetrics",
        ("GET", f"{api}/monitoring/alerts"): "monitoring.v1.MonitoringService.ListAlerts",
        ("GET", f"{api}/monitoring/logs"): "monitoring.v1.MonitoringService.ListLogs",
    }
    assert {key: served.get(key) for key in expected} == {
        key: f"aidatalabs.{name}" for key, name in expected.items()
    }
