"""Makes gen/typescript, the one part of `gen/` that needs Node, with the plugin in the TypeScript client."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

CLIENT = Path(__file__).parent.parent / "clients" / "typescript"
PLUGIN = CLIENT / "node_modules" / ".bin" / "protoc-gen-es"
NODE_VERSION = 20
# The runtime library has these itself.
_BUILT_IN = "google/protobuf/"


def why_not() -> str:
    """Why TypeScript cannot be made on this machine; empty where it can.

    Raises SystemExit where Node is there and only the plugin is missing: that is no reason to do without.
    """
    node = shutil.which("node")
    if node is None:
        return f"Node {NODE_VERSION} is not here"
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    if int(done.stdout.strip().removeprefix("v").partition(".")[0]) < NODE_VERSION:
        return f"Node {NODE_VERSION} is needed, {done.stdout.strip()} is here"
    if not PLUGIN.exists():
        raise SystemExit("gen/typescript needs clients/typescript/node_modules; run `make node`")
    return ""


def write_typescript(
    target: Path, contract: Sequence[str], protoc: Callable[[list[str], list[str]], None]
) -> None:
    """Writes the contract and what it imports as TypeScript modules below the empty folder `target`."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "contract.binpb"
        protoc([f"--descriptor_set_out={output}", "--include_imports"], list(contract))
        described = FileDescriptorSet.FromString(output.read_bytes())
    files = [file.name for file in described.file if not file.name.startswith(_BUILT_IN)]
    protoc(
        [
            f"--plugin=protoc-gen-es={PLUGIN}",
            f"--es_out={target}",
            "--es_opt=target=ts,import_extension=js",
        ],
        files,
    )
