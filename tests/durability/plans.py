"""The mesh of a durability run: the product's own plan without the services that no ingest touches."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.processes import ProcessSpec
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.topology import local_plan

ROOT = Path(__file__).parents[2]
DATA_PROCESS = Path(__file__).with_name("data_process.py")
TWIN_VARIABLE = "DRILL_TWIN"
_LEFT_OUT = frozenset({"agent", "monitoring"})


def ingest_plan(settings: MeshSettings, home: MeshHome, sockets: Path) -> Sequence[ProcessSpec]:
    """PostgreSQL, identity, platform, data (or its twin) and the edge."""
    found = [spec for spec in local_plan(settings, home, sockets) if spec.name not in _LEFT_OUT]
    return [_replaced(spec) for spec in found]


def _replaced(spec: ProcessSpec) -> ProcessSpec:
    spec = replace(spec, needs=tuple(need for need in spec.needs if need not in _LEFT_OUT))
    if spec.name != "data":
        return spec
    argv = (sys.executable, "-P", str(DATA_PROCESS), os.environ.get(TWIN_VARIABLE, "none"))
    return replace(spec, argv=argv, env=partial(_env, spec))


def _env(spec: ProcessSpec) -> Mapping[str, str]:
    return {**spec.env(), "PYTHONPATH": str(ROOT)}
