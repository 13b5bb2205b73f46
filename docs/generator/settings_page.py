"""The page of settings: every settings class there is, found in the sources, with what its fields say."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

import aidatalabs_services
from aidatalabs_services.runtime.settings import ServerSettings
from docs.generator import markdown
from docs.generator.kinds import kind_in_words

_SOURCES = Path(str(aidatalabs_services.__file__)).parent
_UNITS = {
    "seconds": "seconds",
    "bytes": "bytes",
    "rows": "rows",
    "count": "count",
    "calls": "calls",
    "connections": "connections",
    "port": "port",
    "address": "address",
    "url": "URL",
    "directory": "folder",
    "home": "folder",
    "percent": "percent",
    "share": "0 to 1",
    "endpoint": "URL",
}
_ABOUT = """\
Everything is set through the environment. A service reads its variables once at its start and refuses to
start on a wrong one, naming every variable that is wrong and never its value. A variable for one service
reaches that service alone.

In the local mesh (`aidatalabs up`) addresses, certificates, folders and database URLs are the mesh's own:
what the environment says of them does not count there. All the rest may be set before `make run`, for
example `AIDATALABS_DATA_QUERY_SECONDS=30 make run`.
"""


def text() -> str:
    """The page."""
    classes = sorted(settings_classes(), key=lambda kind: (_group(kind), prefix(kind)))
    shared = set(ServerSettings.model_fields)
    parts = []
    for kind in classes:
        servers = issubclass(kind, ServerSettings)
        own = {
            name for name in kind.model_fields if not servers or name not in shared or _differs(kind, name)
        }
        parts.append(f"## {_title(kind)}\n\n{_first_paragraph(kind)}")
        if servers:
            others = ", ".join(
                markdown.code(variable(kind, name)) for name in kind.model_fields if name not in own
            )
            parts.append(f"As [every service](#every-service): {others}.")
        if own:
            parts.append(_table(kind, own))
    every = f"## Every service\n\n`<SERVICE>` is one of {_names(classes)}."
    return markdown.page("Settings", _ABOUT, [every, _table(ServerSettings, shared), *parts])


def settings_classes() -> Iterator[type[BaseSettings]]:
    """Every settings class of the product that has a prefix of its own."""
    for path in sorted(_SOURCES.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and any(_ends_in_settings(one) for one in node.bases):
                inside = path.relative_to(_SOURCES.parent).with_suffix("")
                kind = getattr(importlib.import_module(".".join(inside.parts)), node.name)
                if kind is not ServerSettings:
                    yield kind


def prefix(kind: type[BaseSettings]) -> str:
    """`AIDATALABS_DATA_`."""
    return str(kind.model_config.get("env_prefix", "")).upper() or "AIDATALABS_<SERVICE>_"


def variable(kind: type[BaseSettings], name: str) -> str:
    """The environment variable of a field."""
    return prefix(kind) + name.upper()


def _ends_in_settings(base: ast.expr) -> bool:
    name = base.id if isinstance(base, ast.Name) else base.attr if isinstance(base, ast.Attribute) else ""
    return name.endswith("Settings")


def _group(kind: type[BaseSettings]) -> bool:
    return issubclass(kind, ServerSettings)


def _title(kind: type[BaseSettings]) -> str:
    name = kind.__module__.removeprefix("aidatalabs_services.").split(".")[0]
    return {"mesh": "The local mesh", "cli": "The command line"}.get(name, f"The {name} service")


def _names(classes: list[type[BaseSettings]]) -> str:
    return ", ".join(
        markdown.code(prefix(kind).removeprefix("AIDATALABS_").removesuffix("_"))
        for kind in classes
        if issubclass(kind, ServerSettings)
    )


def _differs(kind: type[BaseSettings], name: str) -> bool:
    mine, shared = kind.model_fields[name], ServerSettings.model_fields[name]
    return (mine.description, mine.default, mine.is_required()) != (
        shared.description,
        shared.default,
        shared.is_required(),
    )


def _first_paragraph(kind: type[BaseSettings]) -> str:
    return inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0]


def _table(kind: type[BaseSettings], names: set[str]) -> str:
    said = _docstrings(kind)
    rows = []
    for name, field in kind.model_fields.items():
        if name in names:
            meaning = field.description or said.get(name)
            if not meaning:
                raise ValueError(f"{kind.__qualname__}.{name} has no description")
            rows.append(
                [markdown.code(variable(kind, name)), _type(field), _unit(name), _default(field), meaning]
            )
    return markdown.table(["variable", "type", "unit", "default", "meaning"], rows)


def _docstrings(kind: type[BaseSettings]) -> Mapping[str, str]:
    """Texts under the fields of a class, for those that have no `description`."""
    node = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(node, ast.ClassDef)  # noqa: S101 - getsource of a class
    found = {}
    for field, doc in zip(node.body, node.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            value = doc.value if isinstance(doc, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[field.target.id] = inspect.cleandoc(value.value)
    return found


def _unit(name: str) -> str:
    return _UNITS.get(name.rpartition("_")[2], "")


def _type(field: FieldInfo) -> str:
    parts = [kind_in_words(field.annotation)]
    for rule in field.metadata:
        match rule:
            case Ge(ge=least):
                parts.append(f"at least {least:,}")
            case Gt(gt=bound):
                parts.append(f"over {bound:,}")
            case Le(le=most):
                parts.append(f"at most {most:,}")
            case Lt(lt=bound):
                parts.append(f"under {bound:,}")
            case MinLen(min_length=1):
                parts.append("not empty")
    return ", ".join(parts)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value in ("", {}, [], ()):
        return "unset"
    if isinstance(value, bool):
        return markdown.code(str(value).lower())
    if isinstance(value, Enum):
        value = value.value
    shown = f"{value:g}" if isinstance(value, float) and value < 1e6 else str(value)
    return markdown.code(shown) + _size(value)


def _size(value: object) -> str:
    """Says a large round number of bytes in words."""
    if isinstance(value, int):
        for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
            if value >= size and value % size == 0:
                return f" ({value // size} {unit})"
    return ""
