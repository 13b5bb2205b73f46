"""The rendered configuration: Envoy takes every variant of it, and its fixed texts fit together."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.rpc import status_pb2

from aidatalabs_services.mesh.edge import envoy_binary, render_edge_config, write_edge_config
from aidatalabs_services.mesh.edge_config import EdgeTls, EdgeTracing
from aidatalabs_services.mesh.edge_refusals import REFUSALS, lua_table
from aidatalabs_services.runtime.certificates import mint_certificates

from .refusals import info_of
from .upstream import edge_config, free_port


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"allowed_origins": ("https://app.example.com",)},
        {"public_port": 443},
        {"tls": True},
        {"tracing": EdgeTracing("https://traces.example.com:4317", 0.1)},
    ],
    ids=lambda changes: next(iter(changes), "plain"),
)
def test_envoy_takes_the_configuration(tmp_path: Path, changes: dict[str, Any]) -> None:
    if "tls" in changes:
        mint_certificates(tmp_path, ["edge"])
        changes = {"tls": EdgeTls(tmp_path / "edge.pem", tmp_path / "edge.key", tmp_path / "ca.pem")}
    config = tmp_path / "envoy.yaml"
    write_edge_config(replace(edge_config(tmp_path, free_port()), **changes), config)
    outcome = subprocess.run([envoy_binary(), "--mode", "validate", "-c", config], capture_output=True)
    assert outcome.returncode == 0, outcome.stderr.decode()[-400:]
    assert b"deprecated" not in outcome.stderr.lower()


def test_the_cookies_name_has_the_port_that_browsers_see(tmp_path: Path) -> None:
    config = edge_config(tmp_path, 8080)
    assert config.session_cookie == "__Host-aidatalabs-8080"
    assert replace(config, public_port=443).session_cookie == "__Host-aidatalabs-443"
    assert "__Host\\\\-aidatalabs\\\\-443" in render_edge_config(replace(config, public_port=443))


def test_every_refusal_of_grpc_has_room_for_its_ids() -> None:
    entries = re.findall(r'\["(.+?)"\] = \{"(.+?)"\}', lua_table())
    refusals = [refusal for refusal in REFUSALS if "grpc" in refusal.surfaces]
    assert len(entries) == len({(each.grpc_code, each.reason, each.message) for each in refusals})
    for without, texts in entries:
        bare = _status(without)
        around = [bytes(int(byte) for byte in text.split("\\")[1:]) for text in texts.split('", "')]
        ids = {"request_id": str(uuid.uuid4()), "trace_id": uuid.uuid4().hex}
        packed_ids = [one.encode() for one in ids.values()]
        both = around[0] + packed_ids[0] + around[1] + packed_ids[1] + around[2]
        first = packed_ids[0].join(around[3:])
        for packed, told in ((both, ids), (first, {"request_id": ids["request_id"]})):
            whole = status_pb2.Status.FromString(packed)
            assert info_of(whole).metadata == told
            assert (whole.code, whole.message) == (bare.code, bare.message)
            types = [detail.type_url for detail in whole.details]
            assert types == [detail.type_url for detail in bare.details]
            assert info_of(bare).reason == info_of(whole).reason


def _status(text: str) -> status_pb2.Status:
    return status_pb2.Status.FromString(base64.b64decode(text + "=" * (-len(text) % 4)))


def test_streams_of_files_are_no_event_streams(tmp_path: Path) -> None:
    text = render_edge_config(edge_config(tmp_path, 8080))
    printed = re.findall(r"- match: \{path: (\S+)\}\n +route: \{cluster: agent", text)
    assert [json.loads(path) for path in printed] == ["/api/v1/agents/query:stream"]
