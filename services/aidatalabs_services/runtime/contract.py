"""The contract as this process knows it: every generated module, loaded; every service of it, described."""

from __future__ import annotations

import importlib
import pkgutil

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor

import aidatalabs


def load_contract() -> list[ServiceDescriptor]:
    """Imports all `aidatalabs.*_pb2` modules and returns their services by full name.

    Every process loads the whole contract, so that reflection at the edge lists it whichever service answers.
    """
    services: dict[str, ServiceDescriptor] = {}
    for found in pkgutil.walk_packages(aidatalabs.__path__, aidatalabs.__name__ + "."):
        if found.name.endswith("_pb2"):
            file = importlib.import_module(found.name).DESCRIPTOR
            services.update({service.full_name: service for service in file.services_by_name.values()})
    pool = descriptor_pool.Default()
    return [pool.FindServiceByName(name) for name in sorted(services)]
