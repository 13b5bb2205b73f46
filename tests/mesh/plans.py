"""Process lists for the tests: the product's own with stand-ins for the services, and small ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.processes import ProcessSpec
from aidatalabs_services.mesh.readiness import grpc_serving
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.supervisor import Plan
from aidatalabs_services.mesh.topology import SERVICE_LAYERS, local_plan

STANDIN = Path(__file__).with_name("standin.py")


def whole_plan(settings: MeshSettings, home: MeshHome, sockets: Path) -> Sequence[ProcessSpec]:
    """The product's plan: real PostgreSQL, real Envoy, and a stand-in for each service."""
    return [
        replace(spec, argv=(sys.executable, str(STANDIN), spec.name)) if spec.name in SERVICE_LAYERS else spec
        for spec in local_plan(settings, home, sockets)
    ]


def small_plan(settings: MeshSettings, home: MeshHome, sockets: Path) -> Sequence[ProcessSpec]:
    """Two stand-ins, the second needs the first; modes come from the environment, `NAME=mode,…`."""
    words = os.environ.get("STANDIN_MODES", "")
    modes = dict(word.split("=") for word in words.split(",") if word)
    return [
        standin("first", sockets, mode=modes.get("first", "")),
        standin("second", sockets, mode=modes.get("second", ""), needs=("first",), layer=1),
    ]


def standins(**modes: str) -> Plan:
    """A plan of `first` and `second` with a mode for each."""

    def plan(settings: MeshSettings, home: MeshHome, sockets: Path) -> Sequence[ProcessSpec]:
        return [
            standin("first", sockets, mode=modes.get("first", "")),
            standin("second", sockets, mode=modes.get("second", ""), needs=("first",), layer=1),
        ]

    return plan


def standin(
    name: str, sockets: Path, *, mode: str = "", needs: tuple[str, ...] = (), layer: int = 0
) -> ProcessSpec:
    """One stand-in service."""
    address = f"unix:{sockets / name}.sock"
    return ProcessSpec(
        name=name,
        argv=(sys.executable, str(STANDIN), name, mode),
        env=lambda: {f"AIDATALABS_{name.upper()}_LISTEN_ADDRESS": address, "PATH": os.defpath},
        ready=lambda: grpc_serving(address),
        needs=needs,
        layer=layer,
        sockets=(sockets / f"{name}.sock",),
    )
