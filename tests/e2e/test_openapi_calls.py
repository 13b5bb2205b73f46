"""A caller that knows nothing but the OpenAPI document: each call as it says, each answer as it says."""

from __future__ import annotations

import http.client
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.contract.openapi.described import DOCUMENT, resolved, validator
from tests.e2e.conformance_cases import made_by, settled
from tests.e2e.conftest import Mesh
from tests.e2e.plain_outcomes import filled
from tests.e2e.test_conformance import CASES, ask, prepared

pytestmark = pytest.mark.mesh
WAY = "docs"


def operations(method: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, verb, operation) for each way to call `data.v1.DataService/Query` over REST, main one first."""
    service, _, name = method.partition("/")
    wanted = f"{service.rpartition('.')[2]}_{name}"
    found = [
        (path, verb, operation)
        for path, verbs in DOCUMENT["paths"].items()
        for verb, operation in verbs.items()
        if operation["operationId"] in (wanted, f"{wanted}_{verb}")
    ]
    return iter(sorted(found, key=lambda one: one[2]["operationId"]))


def request(
    path: str, operation: Mapping[str, Any], fields: Mapping[str, Any]
) -> tuple[str, dict[str, Any] | None]:
    """The URL and the body for a request with these fields."""
    left = dict(fields)
    query = {}
    for parameter in operation.get("parameters", ()):
        name = parameter["name"]
        if parameter["in"] == "path":
            value = taken(left, name)
            assert value is not None
            path = path.replace(f"{{{name}}}", urllib.parse.quote(value, safe=""))
        elif name in left:
            query[name] = left.pop(name)
    if "requestBody" not in operation:
        assert left == {}, "the document has no place for these"
        return f"{path}?{urllib.parse.urlencode(query)}", None
    schema = resolved(operation["requestBody"]["content"]["application/json"]["schema"])
    held = [value for value in left.values() if len(left) == 1 and fits(schema, value)]
    body = held[0] if held else left
    return f"{path}?{urllib.parse.urlencode(query)}", body


def fits(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether the fields of a message are those of a body."""
    return isinstance(value, dict) and value.keys() <= schema["properties"].keys()


def taken(fields: dict[str, Any], name: str) -> str | None:
    """Takes a path's value out of the fields: the id of a resource name, or the field itself."""
    for holder in (fields, *(one for one in fields.values() if isinstance(one, dict))):
        for key, value in holder.items():
            if isinstance(value, str) and (key == name or value.startswith(f"{name}s/")):
                del holder[key]
                return value.removeprefix(f"{name}s/")
    return None


def send(port: int, verb: str, url: str, body: Any, token: str) -> tuple[int, dict[str, str], bytes]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    if body is not None:
        headers["content-type"] = "application/json"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(verb.upper(), url, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def check_described(
    operation: Mapping[str, Any], status: int, headers: Mapping[str, str], raw: bytes
) -> None:
    """The status, the content type, the headers and the JSON are what the document says."""
    described = resolved(operation["responses"][str(status)])
    kind = headers["content-type"].partition(";")[0]
    assert kind in described["content"]
    assert headers["x-request-id"]
    for name, header in described["headers"].items():
        pattern = resolved(header)["schema"].get("pattern", "")
        assert re.search(pattern, headers[name.lower()]), name
    schema = described["content"][kind]["schema"]
    if kind == "application/json":
        assert [error.message for error in validator(schema).iter_errors(json.loads(raw))] == []
    elif kind == "text/event-stream":
        check = validator(schema["x-event-schema"])
        events = re.findall(r"^data: (.+)$", raw.decode(), re.M)
        assert events
        assert [error.message for one in events for error in check.iter_errors(json.loads(one))] == []


MAKE = ("AgentService/Query", "/GiveFeedback", "/DeleteRows", "Backup")


def test_every_call_and_refusal_is_as_the_document_says(mesh: Mesh, admin: str) -> None:
    tokens = {"admin": admin, "stranger": mesh.token("stranger@example.com", "viewer"), "nobody": ""}
    called, names = set(), dict[str, str]()
    for case in CASES:
        for path, verb, operation in operations(case.method):
            called.add(operation["operationId"])
            prepared(mesh, admin, case.method, WAY)
            url, body = request(path, operation, filled(case.answered, WAY, names))
            status, headers, raw = send(mesh.port, verb, url, body, admin)
            assert status == 200, (url, raw)
            if case.method.endswith(MAKE) and raw not in (b"", b"{}"):
                answer = [json.loads(raw, object_hook=lambda fields: SimpleNamespace(**fields))]
                names |= made_by(f"/aidatalabs.{case.method}", answer)
                settled(case.method, answer, lambda path, fields: ask(mesh, admin, path, fields))
            check_described(operation, status, headers, raw)
            url, body = request(path, operation, filled(case.refused, WAY, names))
            status, headers, raw = send(mesh.port, verb, url, body, tokens[case.refused_as])
            check_described(operation, status, headers, raw)
            listed = resolved(operation["responses"][str(status)])["content"]["application/json"]["examples"]
            assert case.reason in listed, (operation["operationId"], status)
            assert json.loads(raw)["details"][0]["reason"] == case.reason
    assert len(called) >= 24


def test_a_question_that_is_refused_in_a_stream_is_as_the_document_says(mesh: Mesh, admin: str) -> None:
    asked = {"platform": "platforms/demo", "question": "what is the weather in Lisbon?"}
    for path, verb, operation in operations("agent.v1.AgentService/StreamAnswer"):
        url, body = request(path, operation, asked)
        status, headers, raw = send(mesh.port, verb, url, body, admin)
        assert status == 200, raw
        check_described(operation, status, headers, raw)
        last = json.loads(re.findall(r"^data: (.+)$", raw.decode(), re.M)[-1])
        assert last["event"] == "error"
        reason = last["error"]["details"][0]["reason"]
        assert f"`{reason}`" in operation["responses"]["200"]["description"]


def test_a_mask_in_a_query_is_written_as_the_document_says(mesh: Mesh, admin: str) -> None:
    send(mesh.port, "post", "/api/v1/platforms?platform_id=masked", {"display_name": "A"}, admin)
    body = {"display_name": "B", "config": {"kept": False}}
    status, _, raw = send(mesh.port, "put", "/api/v1/platforms/masked?update_mask=displayName", body, admin)
    assert (status, json.loads(raw).get("display_name")) == (200, "B"), raw
    assert not json.loads(raw).get("config")
    send(mesh.port, "delete", "/api/v1/platforms/masked", None, admin)


def test_the_reference_is_served_by_the_mesh(mesh: Mesh) -> None:
    status, headers, raw = send(mesh.port, "get", "/openapi.yaml", None, "")
    assert (status, headers["content-type"]) == (200, "application/yaml; charset=utf-8")
    assert yaml.safe_load(raw) == DOCUMENT
    status, headers, raw = send(mesh.port, "get", "/docs", None, "")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"swagger-ui-bundle.js" in raw
