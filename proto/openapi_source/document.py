"""The whole OpenAPI document: paths of all methods, the error shape, how callers sign in."""

from __future__ import annotations

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from openapi_source.comments import collect
from openapi_source.error_shape import error_schemas, example
from openapi_source.operations import HEADERS, Operations, bindings, by_status, refusal, shared_name, tag_name
from openapi_source.reasons import EVERY_CALL, WITH_BODY, Reason, Reasons
from openapi_source.rules import Schema
from openapi_source.schemas import OWN, Schemas

_ABOUT = """\
A self-hosted AI data platform: pour rows in, ask in plain words, and get the answer with its SQL, the rows, a
chart and a proof.

- Fields are snake_case; requests may also write them in lowerCamelCase. Fields that the API does not know are
  ignored in a body and refused in a query.
- 64-bit integers are text, bytes base64, times RFC 3339. A message that is not set is absent, never null.
- Every refusal has one shape, `Error`; its `ErrorInfo` names the reason.
- The same methods and more (Arrow streams) are there over gRPC and gRPC-Web; reflection lists them.
"""
_BEARER = "A token of the mesh, `aidatalabs token --email you@example.com`: a JWT, good for an hour at most."
_SESSION = (
    "The browser's session. The cookie's name ends with the port that the browser sees (8080 unless set "
    "otherwise); it works for the mesh's own pages alone, and not beside a token."
)


def document(contract: FileDescriptorSet) -> Schema:
    """The OpenAPI document of all services of ours in `contract`, which needs its imports and its comments.

    Raises ValueError for a rule or shape that has no translation, KeyError for what has no comment.
    """
    pool = DescriptorPool()
    for file in contract.file:
        pool.Add(file)
    own = [file for file in contract.file if file.package.startswith(OWN)]
    services = [
        pool.FindServiceByName(f"{file.package}.{service.name}") for file in own for service in file.service
    ]
    comments = collect(own)
    methods = [method for service in services for method in service.methods]
    schemas = Schemas(comments, [method.output_type for method in methods])
    reasons = Reasons(pool, comments)
    operations = Operations(schemas, reasons, comments)
    paths: dict[str, Schema] = {}
    for binding in (one for method in methods for one in bindings(method)):
        paths.setdefault(binding.path, {})[binding.verb] = operations.operation(binding)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AI Data Labs",
            "version": "v1",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The edge that this description comes from."}],
        "security": [{"bearer": []}, {"session": []}],
        "tags": [
            {"name": tag_name(service.name), "description": comments[service.full_name]}
            for service in services
            if _has_rest(service)
        ],
        "paths": dict(sorted(paths.items())),
        "components": _components(schemas, list(reasons.catalogue.values())),
    }


def _has_rest(service: ServiceDescriptor) -> bool:
    return any(True for method in service.methods for _ in bindings(method))


def _components(schemas: Schemas, catalogue: list[Reason]) -> Schema:
    everywhere = [reason for reason in catalogue if reason.name in (*EVERY_CALL, *WITH_BODY)]
    responses = {shared_name(status): refusal(reasons) for status, reasons in by_status(everywhere).items()}
    return {
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": _BEARER},
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": "__Host-aidatalabs-8080",
                "description": _SESSION,
            },
        },
        "headers": {
            "RequestId": {
                "description": "Id of this call in every log of the mesh; give it when reporting a problem.",
                "schema": {"type": "string"},
            },
            "TraceResponse": {
                "description": "The trace that this call belongs to (W3C): version, trace id, span id and "
                "whether it may be recorded. Send a `traceparent` to have the call in a trace of your own.",
                "schema": {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$"},
            },
        },
        "responses": {
            "Refused": {
                "description": "Any other refusal, in the same shape; 501 is `NOT_BUILT_YET`.",
                "headers": dict(HEADERS),
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
            **responses,
        },
        "examples": {reason.name: example(reason) for reason in catalogue},
        "schemas": dict(sorted({**schemas.components, **error_schemas(catalogue)}.items())),
    }
