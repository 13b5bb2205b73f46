"""Writes the two modules of the client that follow from others, so that nobody writes anything twice.

    python clients/python/generate_client.py           writes errors.py and sync_client.py
    python clients/python/generate_client.py --check   fails when they are not what it would write

errors.py has one class for each reason of error_reason.proto; sync_client.py has one method for each public
method of `Client`, with the same parameters and documentation.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = HERE / "aidatalabs_client"
REASONS = HERE.parent.parent / "proto" / "aidatalabs" / "common" / "v1" / "error_reason.proto"
CALLS = (
    "agent",
    "catalogue",
    "data",
    "retention",
    "typed_paths",
    "backups",
    "platforms",
    "identity",
    "monitoring",
)
_REASON = re.compile(r"((?:  // [^\n]*\n)+)  ERROR_REASON_(\w+) = \d+;")

_ERRORS_HEAD = '''"""What the client may raise: a class for each reason of the contract, each an ApiError.

Made by clients/python/generate_client.py from error_reason.proto; do not edit.
"""

from __future__ import annotations

from aidatalabs_client.api_error import ApiError, FileUnreadable

__all__ = [{names}]
'''

_SYNC_HEAD = '''"""The client without `await`: every method of `Client`, run by an event loop in a thread.

Made by clients/python/generate_client.py from the modules of `Client`; do not edit.
"""
# ruff: noqa: A002 - `filter` is the contract's word

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.struct_pb2 import Struct

{imports}
from aidatalabs_client.blocking import BlockingConnection

if TYPE_CHECKING:
    import pyarrow as pa


class SyncClient(BlockingConnection):
    """The client without `await`, with the same methods: `with SyncClient() as client: client.ask(…)`.

    It works where an event loop is already running, as in a notebook. Threads may share one client. Ctrl-C
    cancels the call under way. Start processes with `spawn`, or before the first client is made: gRPC does
    not survive a fork. The parameters are those of `Client`.
    """
'''


def class_name(reason: str) -> str:
    """`QUERY_NOT_READ_ONLY` is the class QueryNotReadOnly."""
    return "".join(word.capitalize() for word in reason.split("_"))


def reasons() -> Iterator[tuple[str, str]]:
    """Each reason but the unspecified one, with what its comment says."""
    for comment, name in _REASON.findall(REASONS.read_text()):
        if name != "UNSPECIFIED":
            lines = [line.strip().removeprefix("//").strip() for line in comment.splitlines()]
            yield name, " ".join(lines).partition(" Code ")[0]


def errors_source() -> str:
    """The module with a class for each reason."""
    found = list(reasons())
    names = sorted([class_name(name) for name, _ in found] + ["ApiError", "FileUnreadable"])
    classes = "".join(
        f'\n\nclass {class_name(name)}(ApiError, reason="{name}"):\n    """{_wrapped(text)}"""\n'
        for name, text in found
    )
    return _ERRORS_HEAD.format(names=", ".join(f'"{name}"' for name in names)) + classes


def _wrapped(text: str) -> str:
    """The text in lines of at most 110 characters, as a class's documentation."""
    words, lines, line = text.split(), [], ""
    for word in words:
        if len(line) + len(word) > 98:
            lines.append(line.rstrip())
            line = ""
        line += word + " "
    lines.append(line.rstrip())
    return "\n    ".join(lines) + ("\n    " if len(lines) > 1 else "")


def sync_source() -> str:
    """The module with the blocking twin of each method."""
    imports: dict[str, str] = {}
    methods = []
    for module in CALLS:
        tree = ast.parse((PACKAGE / f"{module}.py").read_text())
        own = {name: name for name in ("pb",)}
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aidatalabs"):
                _collect(node, module, imports, own)
        aliases = _aliases(tree)
        calls = next(node for node in tree.body if isinstance(node, ast.ClassDef))
        for method in calls.body:
            if isinstance(method, ast.AsyncFunctionDef) and not method.name.startswith("_"):
                methods.append(_method(method, own, aliases))
    used = [line for name, line in imports.items() if re.search(rf"\b{name}\b", "".join(methods))]
    return _SYNC_HEAD.format(imports="\n".join(sorted(used))) + "".join(methods)


def _collect(node: ast.ImportFrom, module: str, imports: dict[str, str], own: dict[str, str]) -> None:
    for alias in node.names:
        name = alias.asname or alias.name
        told = f"{module}_pb" if name == "pb" else name
        own[name] = told
        as_told = f" as {told}" if told != alias.name else ""
        imports[told] = f"from {node.module} import {alias.name}{as_told}"


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Names of types that a module gives itself, such as `Progress = Callable[…]`."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ast.unparse(node.value)
    return found


def _method(method: ast.AsyncFunctionDef, own: dict[str, str], aliases: dict[str, str]) -> str:
    arguments, returns = ast.unparse(method.args), ast.unparse(method.returns or ast.Constant(None))
    for name, told in (own | aliases).items():
        pattern = rf"(?<![\w.]){name}\b" + (r"(?=\.)" if name == "pb" else "")
        arguments, returns = re.sub(pattern, told, arguments), re.sub(pattern, told, returns)
    streams = returns.startswith("AsyncIterator")
    passed = ", ".join(
        [arg.arg for arg in method.args.args[1:]] + [f"{arg.arg}={arg.arg}" for arg in method.args.kwonlyargs]
    )
    doc = ast.get_docstring(method, clean=False) or ""
    run = "_iterate" if streams else "_run"
    keeps = "" if returns == "None" else "return "
    return (
        f"\n    def {method.name}({arguments}) -> {returns.replace('AsyncIterator', 'Iterator')}:\n"
        f'        """{doc}"""\n'
        f"        {keeps}self.{run}(self._client.{method.name}({passed}))\n"
    )


def formatted(source: str, name: str) -> str:
    """The source as ruff writes it, without imports that nothing uses."""
    ruff = [str(Path(sys.executable).parent / "ruff")]
    for words in (["check", "--quiet", "--fix-only", "--select", "F401,I"], ["format", "--quiet"]):
        command = [*ruff, *words, "--stdin-filename", str(PACKAGE / name), "-"]
        done = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
        source = done.stdout
    return source


def main() -> int:
    """Writes the modules, or says which is not fresh."""
    made = {"errors.py": errors_source(), "sync_client.py": sync_source()}
    stale = []
    for name, source in made.items():
        path, text = PACKAGE / name, formatted(source, name)
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.write_text(text)
    if "--check" in sys.argv and stale:
        sys.stderr.write(f"not fresh: {', '.join(stale)}; run python clients/python/generate_client.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
