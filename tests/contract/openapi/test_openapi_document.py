"""The document as a whole: a linter's view, and that it says all the contract says over REST."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from openapi_spec_validator import OpenAPIV31SpecValidator

from aidatalabs.common.v1.error_reason_pb2 import ErrorReason
from aidatalabs_services.data.exports import FileFormat
from aidatalabs_services.identity.adapters.http_errors import http_status
from aidatalabs_services.mesh.edge_refusals import REFUSALS
from tests.contract.openapi.described import (
    DOCUMENT,
    METHODS,
    OPERATIONS,
    SCHEMAS,
    operation_id,
    operations,
    resolved,
    rest_bindings,
)
from tests.contract.test_contract import CLASSES

# Parts of the error shape, told by the schema they lie in.
SPEAK_FOR_THEMSELVES = {"@type", "reason", "domain", "details", "field_violations"}
REST = [method for method in METHODS if rest_bindings(method)]


def responses(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {status: resolved(answer) for status, answer in operation["responses"].items()}


def reasons_by_status(operation: dict[str, Any]) -> dict[str, set[str]]:
    return {
        status: set(answer["content"]["application/json"].get("examples", ()))
        for status, answer in responses(operation).items()
        if status != "200"
    }


def test_the_document_is_valid_openapi() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_the_linter_notices_a_broken_document() -> None:
    broken = DOCUMENT | {"paths": {"/api/v1/{id}": {"get": {"responses": {"200": {"description": "x"}}}}}}
    assert list(OpenAPIV31SpecValidator(broken).iter_errors())


@pytest.mark.parametrize("method", REST, ids=lambda method: method.full_name)
def test_every_http_binding_is_an_operation(method: MethodDescriptor) -> None:
    first, *more = rest_bindings(method)
    assert operation_id(method) in OPERATIONS
    for binding in more:
        assert f"{operation_id(method)}_{binding.WhichOneof('pattern')}" in OPERATIONS
    paths = {(path, verb) for path, verb, _ in operations()}
    for binding in (first, *more):
        verb = binding.WhichOneof("pattern")
        path = re.sub(r"\{[a-z_.]*=platforms/\*\}", "platforms/{platform}", getattr(binding, verb))
        assert (path, verb) in paths


def test_nothing_else_is_described() -> None:
    assert len(OPERATIONS) == len(list(operations())) == sum(len(rest_bindings(one)) for one in REST)


def test_everything_that_people_read_has_a_description() -> None:
    assert [path for path, part in undescribed(DOCUMENT, "")] == []


def undescribed(part: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Operations, parameters, answers, named schemas and their properties without a description."""
    if isinstance(part, list):
        for index, one in enumerate(part):
            yield from undescribed(one, f"{path}/{index}")
    if not isinstance(part, dict):
        return
    keys = path.split("/")
    named = len(keys) == 4 and keys[1:3] == ["components", "schemas"]
    speaks = "operationId" in part or "in" in part or named or keys[-2:-1] == ["responses"]
    if speaks and "$ref" not in part and not part.get("description"):
        yield path, part
    for name, schema in part.get("properties", {}).items() if part.get("type") == "object" else ():
        if "description" not in schema and name not in SPEAK_FOR_THEMSELVES:
            yield f"{path}/properties/{name}", schema
    for key, value in part.items():
        if key not in ("examples", "enum", "required"):
            yield from undescribed(value, f"{path}/{key}")


@pytest.mark.parametrize("method", REST, ids=lambda method: method.full_name)
def test_every_reason_that_a_method_names_is_among_its_refusals(method: MethodDescriptor) -> None:
    operation = OPERATIONS[operation_id(method)]
    listed = set().union(*reasons_by_status(operation).values())
    named = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", operation["description"])) & set(
        SCHEMAS["ErrorReason"]["enum"]
    )
    assert named <= listed
    assert {"TOKEN_MISSING", "TOKEN_EXPIRED", "OVERLOADED", "SERVICE_UNAVAILABLE"} <= listed


@pytest.mark.parametrize(
    ("operation", "status", "reason"),
    [
        ("DataService_Query", "400", "FUNCTION_NOT_ALLOWED"),
        ("DataService_Export", "400", "QUERY_NOT_READ_ONLY"),
        ("AgentService_Query", "400", "QUESTION_NOT_READ_ONLY"),
        ("AgentService_Query", "504", "QUERY_TIMEOUT"),
        ("AgentService_Analyze", "400", "TABLE_NOT_KNOWN"),
        ("PlatformService_UpdatePlatform", "409", "ETAG_MISMATCH"),
        ("DataService_GetTable", "404", "PLATFORM_NOT_FOUND"),
        ("DataService_Ingest", "413", "REQUEST_TOO_LARGE"),
        ("DataService_Ingest", "415", "CONTENT_TYPE_NOT_SUPPORTED"),
    ],
)
def test_reasons_of_other_methods_are_followed(operation: str, status: str, reason: str) -> None:
    assert reason in reasons_by_status(OPERATIONS[operation])[status]


def test_a_call_without_a_body_is_not_refused_for_its_body() -> None:
    assert not {"413", "415"} & OPERATIONS["DataService_GetTable"]["responses"].keys()


def test_statuses_are_those_of_the_services_and_of_the_edge() -> None:
    sent = {error.reason: {http_status(error("…"))} for error in CLASSES}
    for refusal in REFUSALS:
        if "rest" in refusal.surfaces and not refusal.and_above:
            sent.setdefault(refusal.reason, set()).add(refusal.answer_status or refusal.http_status)
    for operation in OPERATIONS.values():
        for status, reasons in reasons_by_status(operation).items():
            assert {reason: int(status) in sent[reason] for reason in reasons} == dict.fromkeys(reasons, True)


def test_the_catalogue_is_whole() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118
    assert set(SCHEMAS["ErrorReason"]["enum"]) == names
    assert DOCUMENT["components"]["examples"].keys() == names


def test_a_file_comes_with_the_types_that_the_service_sends() -> None:
    content = responses(OPERATIONS["DataService_Export"])["200"]["content"]
    assert list(content) == [kind.value[1].partition(";")[0] for kind in FileFormat]
    assert all(kind["schema"]["format"] == "binary" for kind in content.values())


@pytest.mark.parametrize("name", ["AgentService_StreamAnswer", "AgentService_StreamAnswer_get"])
def test_a_stream_of_messages_is_server_sent_events(name: str) -> None:
    content = responses(OPERATIONS[name])["200"]["content"]
    event = content["text/event-stream"]["schema"]["x-event-schema"]
    assert "event" in resolved(event)["properties"]


@pytest.mark.parametrize("name", ["AgentService_StreamAnswer", "AgentService_StreamAnswer_get"])
def test_what_a_stream_refuses_once_it_has_begun_has_no_status(name: str) -> None:
    listed = set().union(*reasons_by_status(OPERATIONS[name]).values())
    told = set(re.findall(r"`([A-Z_]+)`", responses(OPERATIONS[name])["200"]["description"]))
    assert {"PLATFORM_NOT_FOUND", "PERMISSION_DENIED", "INVALID_REQUEST", "TOKEN_MISSING"} <= listed
    assert {"QUESTION_NOT_ANSWERABLE", "QUESTION_NOT_READ_ONLY", "QUERY_TIMEOUT"} <= told
    assert told & listed == set()
    alike = OPERATIONS["AgentService_Query"]
    pictures = {"ACCEPT_NOT_SUPPORTED", "CHART_NOT_AVAILABLE"}
    of_its_own = {"REQUEST_TOO_LARGE", "CONTENT_TYPE_NOT_SUPPORTED"} | pictures
    assert told | listed >= set().union(*reasons_by_status(alike).values()) - of_its_own


def test_a_question_may_be_answered_by_a_picture_or_not_at_all() -> None:
    query = OPERATIONS["AgentService_Query"]
    assert list(responses(query)["200"]["content"]) == ["application/json", "image/png", "image/svg+xml"]
    assert reasons_by_status(query)["406"] == {"ACCEPT_NOT_SUPPORTED"}
    (form,) = OPERATIONS["AgentService_DrawAnswer_post"]["parameters"]
    assert form["schema"] == {"type": "string", "enum": ["PNG", "SVG"]}


def test_every_answer_names_its_request_and_its_trace() -> None:
    for operation in OPERATIONS.values():
        for answer in responses(operation).values():
            assert answer["headers"].keys() == {"X-Request-Id", "traceresponse"}


def test_callers_sign_in_with_a_token_or_a_session() -> None:
    assert DOCUMENT["security"] == [{"bearer": []}, {"session": []}]
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert (schemes["bearer"]["scheme"], schemes["session"]["in"]) == ("bearer", "cookie")


def test_what_the_server_sets_is_no_part_of_a_body() -> None:
    assert set(SCHEMAS["platform.PlatformInput"]["properties"]) == {"display_name", "config", "etag"}
    assert SCHEMAS["platform.Platform"]["properties"]["uid"]["readOnly"] is True
    assert "row_count" not in SCHEMAS["data.TableInput"]["properties"]


def test_what_the_path_brings_is_no_part_of_a_body() -> None:
    assert set(SCHEMAS["data.AddColumnRequestBody"]["properties"]) == {"platform", "column"}
    parameters = OPERATIONS["DataService_AddColumn"]["parameters"]
    assert [(one["name"], one["in"]) for one in parameters] == [("table", "path")]
