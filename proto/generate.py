"""Makes everything in `gen/` out of the contract: `make gen`.

    python proto/generate.py                 writes gen/
    python proto/generate.py --check         writes elsewhere and fails when gen/ differs
    python proto/generate.py --third-party   writes `.third_party/` alone

Third-party sources are taken from installed packages into the ignored folder `.third_party/`.
gen/typescript needs Node 20; without it that folder is left as it is, and the answer says so.
"""

from __future__ import annotations

import filecmp
import importlib.metadata
import importlib.resources
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

sys.path.insert(0, str(Path(__file__).parent))
from descriptor_source import source
from typescript_source import why_not, write_typescript

ROOT = Path(__file__).parent.parent
THIRD_PARTY = ROOT / ".third_party"
VALIDATE = "buf/validate/validate.proto"
# Envoy shows an error's details as JSON only if it knows their types.
ERROR_DETAILS = "google/rpc/error_details.proto"
FOLDERS = ("python", "envoy", "openapi")
TYPESCRIPT = "typescript"


def collect_third_party() -> None:
    """Fills `.third_party/` with the sources our contract imports."""
    shutil.rmtree(THIRD_PARTY, ignore_errors=True)
    packages = importlib.metadata.distribution("googleapis-common-protos")
    for path in packages.files or ():
        if path.suffix == ".proto" and str(path).startswith(("google/api/", "google/rpc/")):
            target = THIRD_PARTY / str(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(path.locate()), target)
    descriptor = FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
    target = THIRD_PARTY / VALIDATE
    target.parent.mkdir(parents=True)
    target.write_text(source(descriptor))
    _check_same(descriptor)


def _check_same(expected: FileDescriptorProto) -> None:
    """Fails when the printed source does not compile back into the descriptor it came from."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "validate.binpb"
        _run_protoc([f"--descriptor_set_out={output}"], [VALIDATE])
        compiled = FileDescriptorSet.FromString(output.read_bytes()).file[0]
    for file in (compiled, expected):
        _drop_options(file)
    if compiled != expected:
        raise SystemExit("the printed validate.proto differs from protovalidate's descriptor")


def _drop_options(file: FileDescriptorProto) -> None:
    file.ClearField("options")
    file.ClearField("source_code_info")
    file.ClearField("syntax")
    pending = list(file.message_type)
    fields = list(file.extension)
    for enum in file.enum_type:
        enum.ClearField("options")
    while pending:
        message = pending.pop()
        pending += message.nested_type
        message.ClearField("options")
        fields += message.field
        for extensions in message.extension_range:
            extensions.ClearField("options")
        for oneof in message.oneof_decl:
            oneof.ClearField("options")
        for enum in message.enum_type:
            enum.ClearField("options")
            for value in enum.value:
                value.ClearField("options")
    for field in fields:
        field.ClearField("options")
        field.ClearField("json_name")
    for enum in file.enum_type:
        for value in enum.value:
            value.ClearField("options")


def _run_protoc(outputs: list[str], files: list[str]) -> None:
    builtin = str(importlib.resources.files("grpc_tools") / "_proto")
    # grpc_tools runs inside this interpreter, so its plugins are looked up beside it.
    plugins = Path(sys.executable).parent
    arguments = ["protoc", f"-I{ROOT / 'proto'}", f"-I{THIRD_PARTY}", f"-I{builtin}"]
    for name in ("mypy", "mypy_grpc"):
        arguments.append(f"--plugin=protoc-gen-{name}={plugins / f'protoc-gen-{name}'}")
    if protoc.main([*arguments, *outputs, *files]) != 0:
        raise SystemExit("protoc failed")


def generate(target: Path, folders: Sequence[str]) -> None:
    """Writes python/, envoy/ and openapi/ below `target`, and typescript/ if it is one of `folders`."""
    contract = sorted(str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto").rglob("*.proto"))
    for folder in folders:
        shutil.rmtree(target / folder, ignore_errors=True)
        (target / folder).mkdir(parents=True)
    python = str(target / "python")
    _run_protoc(
        [
            f"--python_out={python}",
            f"--grpc_python_out={python}",
            f"--mypy_out={python}",
            f"--mypy_grpc_out={python}",
        ],
        contract,
    )
    _run_protoc([f"--python_out={python}", f"--mypy_out={python}"], [VALIDATE])
    for stub in Path(python).rglob("*_pb2_grpc.py*"):
        # A module without a service needs no stubs.
        if not stub.name.startswith(tuple(f"{kind}_service" for kind in _service_names(contract))):
            stub.unlink()
    for package in [path for path in Path(python).rglob("*") if path.is_dir()]:
        if package.name != "__pycache__":
            (package / "__init__.py").write_text("")
    (Path(python) / "aidatalabs" / "py.typed").write_text("")
    descriptors = target / "envoy" / "descriptors.binpb"
    _run_protoc([f"--descriptor_set_out={descriptors}", "--include_imports"], [*contract, ERROR_DETAILS])
    _write_openapi(target / "openapi" / "openapi.yaml", contract)
    if TYPESCRIPT in folders:
        write_typescript(target / TYPESCRIPT, [*contract, ERROR_DETAILS], _run_protoc)


def _write_openapi(path: Path, contract: list[str]) -> None:
    # Needs the rules' own module, which this script makes first.
    from openapi_source.document import document
    from openapi_source.yaml_text import yaml_text

    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "contract.binpb"
        _run_protoc(
            [f"--descriptor_set_out={output}", "--include_imports", "--include_source_info"], contract
        )
        described = FileDescriptorSet.FromString(output.read_bytes())
    path.write_text(yaml_text(document(described), "Made of proto/ by `make gen`; never edited."))


def _service_names(contract: list[str]) -> list[str]:
    return [Path(path).stem.removesuffix("_service") for path in contract if path.endswith("_service.proto")]


def refresh(gen: Path, folders: Sequence[str]) -> None:
    """Brings these folders of `gen/` up to date, file by file: a failure leaves them as they were."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), folders)
        made = _files(Path(folder), folders)
        for stale in _files(gen, folders).keys() - made.keys():
            (gen / stale).unlink()
        for name, fresh in made.items():
            target = gen / name
            if not target.is_file() or not filecmp.cmp(fresh, target, shallow=False):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(fresh, target)


def check(gen: Path, folders: Sequence[str]) -> None:
    """Exits with 1 and the names of the files when these folders of `gen/` are not fresh."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), folders)
        fresh, kept = _files(Path(folder), folders), _files(gen, folders)
        differing = sorted(
            str(name)
            for name in fresh.keys() | kept.keys()
            if name not in fresh
            or name not in kept
            or not filecmp.cmp(fresh[name], kept[name], shallow=False)
        )
    if differing:
        raise SystemExit("gen/ is not fresh; run `make gen` and commit:\n  " + "\n  ".join(differing))
    print(f"gen/ is fresh ({len(fresh)} files)")  # noqa: T201 - a script's answer


def _files(gen: Path, folders: Sequence[str]) -> dict[Path, Path]:
    """What this script makes below a folder, by path inside it."""
    found = (path for top in folders for path in (gen / top).rglob("*"))
    return {
        path.relative_to(gen): path for path in found if path.is_file() and "__pycache__" not in path.parts
    }


def main(arguments: Sequence[str]) -> None:
    """Does what the first argument says; see the head of this module."""
    collect_third_party()
    if "--third-party" in arguments:
        return
    missing = why_not()
    folders = FOLDERS if missing else (*FOLDERS, TYPESCRIPT)
    if "--check" in arguments:
        check(ROOT / "gen", folders)
    else:
        refresh(ROOT / "gen", folders)
    if missing:
        print(f"gen/typescript was skipped: {missing}")  # noqa: T201 - a script's answer


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SystemExit as stopped:
        # `make` hides standard error, where protoc's plugins tell of every file.
        print(stopped)  # noqa: T201 - a script's answer
        raise SystemExit(1) from None
