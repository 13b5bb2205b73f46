"""The contract with its comments: what the generated modules do not carry, read from `proto/` itself."""

from __future__ import annotations

import importlib.resources
import tempfile
from functools import cache
from pathlib import Path

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc
from openapi_source.comments import Comments, collect
from openapi_source.reasons import EVERY_CALL, WITH_BODY, Reason, Reasons

from aidatalabs_services.runtime.contract import load_contract
from docs.generator import ROOT

ALWAYS = (*EVERY_CALL, *WITH_BODY)
"""Reasons that stand beside no method, because any call may meet them."""


@cache
def comments() -> Comments:
    """Comments of everything in the contract, by full name. Raises RuntimeError when it does not compile."""
    sources = sorted(str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto").rglob("*.proto"))
    # Sources come from `proto/`, what they import from the descriptors that the edge has.
    described = ROOT / "gen" / "envoy" / "descriptors.binpb"
    builtin = importlib.resources.files("grpc_tools") / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "contract.binpb"
        arguments = [f"-I{ROOT / 'proto'}", f"-I{builtin}", f"--descriptor_set_in={described}"]
        made = [f"--descriptor_set_out={output}", "--include_source_info"]
        if protoc.main(["protoc", *arguments, *made, *sources]) != 0:
            raise RuntimeError("protoc cannot read the contract")
        return collect(FileDescriptorSet.FromString(output.read_bytes()).file)


def methods() -> list[MethodDescriptor]:
    """Every RPC, by service and in the order of the contract."""
    return [method for service in load_contract() for method in service.methods]


@cache
def reasons() -> Reasons:
    """The catalogue of refusals, and which of them each method names."""
    load_contract()
    return Reasons(descriptor_pool.Default(), comments())


def named_reasons(method: MethodDescriptor) -> list[Reason]:
    """What the method may refuse with beside what any call may meet."""
    return [one for one in reasons().of(method, with_body=False) if one.name not in ALWAYS]
