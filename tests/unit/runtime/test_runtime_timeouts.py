"""No service calls a peer without saying how long it may take."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import aidatalabs_services

SERVICES = Path(aidatalabs_services.__file__).parent


def calls_of_stubs(source: str) -> Iterator[ast.Call]:
    """Every `stub.Method(…)` and `self._stub.Method(…)`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            held = node.func.value
            name = held.attr if isinstance(held, ast.Attribute) else getattr(held, "id", "")
            if name.lstrip("_").endswith("stub") and node.func.attr[0].isupper():
                yield node


def without_timeout(source: str) -> list[int]:
    """The lines of the calls that name no timeout."""
    return [
        call.lineno
        for call in calls_of_stubs(source)
        if "timeout" not in {keyword.arg for keyword in call.keywords}
    ]


def test_every_call_of_a_peer_has_a_timeout() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in SERVICES.rglob("*.py")}
    assert sum(len(list(calls_of_stubs(source))) for source in sources.values()) >= 5
    wrong = {str(path): lines for path, source in sources.items() if (lines := without_timeout(source))}
    assert wrong == {}


def test_call_without_a_timeout_is_noticed() -> None:
    assert without_timeout("await self._stub.Query(request, metadata=m)\nawait stub.Ask(r, timeout=1)") == [1]
