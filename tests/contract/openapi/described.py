"""The committed OpenAPI document, and its schemas ready to check JSON with."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml
from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor
from jsonschema import Draft202012Validator, FormatChecker

from aidatalabs_services.runtime.contract import load_contract
from tests.architecture.test_house_rules import ROOT

DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "gen" / "openapi" / "openapi.yaml").read_text())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
ERRORS = {"Error", "ErrorInfo", "BadRequest", "RetryInfo"}
METHODS = [method for service in load_contract() for method in service.methods]


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, verb, operation) of the whole document."""
    for path, verbs in DOCUMENT["paths"].items():
        for verb, operation in verbs.items():
            yield path, verb, operation


OPERATIONS = {operation["operationId"]: operation for _, _, operation in operations()}


def rest_bindings(method: MethodDescriptor) -> list[Any]:
    """The method's HTTP rule and its additional ones."""
    options = method.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return []
    rule = options.Extensions[annotations_pb2.http]
    return [rule, *rule.additional_bindings]


def operation_id(method: MethodDescriptor) -> str:
    return f"{method.containing_service.name}_{method.name}"


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """What a reference within the document leads to; anything else as it is."""
    if "$ref" not in part:
        return part
    found: Any = DOCUMENT
    for key in part["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return dict(found)


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Checks JSON against a schema of the document, strictly: a field that it does not name is wrong."""
    whole = {"components": {"schemas": _strict_schemas()}, "allOf": [schema]}
    return Draft202012Validator(whole, format_checker=FormatChecker())


@cache
def _strict_schemas() -> dict[str, Any]:
    strict = copy.deepcopy(SCHEMAS)
    for name, schema in strict.items():
        # Details have parts that we never send, and the edge prints them empty.
        if schema.get("type") == "object" and name not in ERRORS:
            schema.setdefault("properties", {})
            schema["additionalProperties"] = False
    return strict
