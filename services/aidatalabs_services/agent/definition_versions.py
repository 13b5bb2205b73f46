"""Versions of what people say of a platform's data: how they are changed, told and restored."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Protocol

from aidatalabs_services.agent.conversations import Owner
from aidatalabs_services.agent.definition_changes import merged_with, told_changes
from aidatalabs_services.agent.definition_paths import request_path, same_problem
from aidatalabs_services.agent.errors import CatalogueVersionNotFound, DefinitionsNotKept, etag_mismatch
from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.planner.definition_fit import Problem, fitted
from aidatalabs_services.agent.planner.definition_rules import problems
from aidatalabs_services.agent.planner.definitions import NOTHING, Definitions
from aidatalabs_services.agent.plans import PlanNotReadable, record_of
from aidatalabs_services.runtime.errors import FieldViolation, IdempotencyMismatch, InvalidRequest

KEPT_VERSIONS = 200
_MOST_BYTES = 256 * 1024
_MOST_TOLD = 100


@dataclass(frozen=True)
class Said:
    """The definitions of a platform, and the number of their version; 0 where nothing was ever said."""

    version: int = 0
    definitions: Definitions = NOTHING


@dataclass(frozen=True)
class Version:
    """One version: who made it, when, what changed by it, and the version it restored, if it did."""

    version: int
    changed_by: str
    changed_at: datetime
    changes: tuple[str, ...]
    restored_version: int | None = None


@dataclass(frozen=True)
class Request:
    """What makes a change once, and on the version that was read; empty where not given."""

    etag: str = ""
    request_id: str = ""
    content: str = ""
    validate_only: bool = False


@dataclass(frozen=True)
class Written:
    """What a change makes of the definitions, and what changed by it."""

    definitions: Definitions
    changes: tuple[str, ...]
    restored_version: int | None = None


@dataclass(frozen=True)
class Changed:
    """What came of a change: the definitions, their version, and what changed; nothing where nothing did."""

    said: Said
    changes: tuple[str, ...]
    stale: tuple[Problem, ...] = ()


Decide = Callable[[Said], Written | None]
"""What becomes of the definitions that are there; None where they stay. May raise ServiceError."""


class DefinitionStore(Protocol):
    """Where versions are kept. Every method raises ServiceUnavailable or DeadlineExceeded."""

    async def current(self, platform_uid: str, known_version: int) -> Said | None:
        """The newest version; None while it is `known_version` (below 0: whatever it is)."""

    async def at(self, platform_uid: str, version: int) -> Definitions | None:
        """The definitions of one version, None where it is not kept."""

    async def change(self, owner: Owner, request: Request, decide: Decide) -> Changed:
        """Makes the next version of what `decide` makes of the newest one; one change at a time.

        A request id that this person used before has its `first_answer`.
        """

    async def page(self, platform_uid: str, most: int, before: int | None) -> Sequence[Version]:
        """Versions below `before`, the newest first."""


def etag_of(platform_uid: str, version: int) -> str:
    """The etag of a version of a platform's definitions."""
    return hashlib.sha256(f"definitions {platform_uid} {version}".encode()).hexdigest()[:16]


def text_of(definitions: Definitions) -> str:
    """Definitions as they are kept: JSON, the same text for the same definitions."""
    return json.dumps(asdict(definitions), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def definitions_of(text: str) -> Definitions:
    """Definitions that were kept; fields that a later version of this code wrote are left out."""
    try:
        return record_of(Definitions, json.loads(text))
    except (ValueError, PlanNotReadable) as error:
        raise RuntimeError("kept definitions cannot be read") from error


class DefinitionVersions:
    """The rules of change; without a store nothing is said, and nothing can be."""

    def __init__(self, store: DefinitionStore | None) -> None:
        self._store = store

    def _kept(self) -> DefinitionStore:
        if self._store is None:
            raise DefinitionsNotKept(
                "This mesh keeps no definitions: it has no PostgreSQL for them. The catalogue is what the "
                "data says; the operator sets AIDATALABS_AGENT_POSTGRES_URL."
            )
        return self._store

    async def current(self, platform_uid: str, known_version: int) -> Said | None:
        """The newest definitions; None while they are those of `known_version`."""
        if self._store is None:
            return None if known_version == 0 else Said()
        return await self._store.current(platform_uid, known_version)

    async def update(
        self, owner: Owner, given: Definitions, catalogue: Catalogue, request: Request, *, merge: bool
    ) -> Changed:
        """Makes `given` the definitions, or with `merge` part of them.

        Raises InvalidRequest, EtagMismatch, IdempotencyMismatch, DefinitionsNotKept.
        """

        def decide(said: Said) -> Written | None:
            wanted = merged_with(said.definitions, given) if merge else given
            _refuse(_put(problems(wanted), wanted, given))
            held = set(map(same_problem(said.definitions), fitted(said.definitions, catalogue).problems))
            name = same_problem(wanted)
            new = [p for p in fitted(wanted, catalogue).problems if name(p) not in held]
            _refuse(_put(new, wanted, given))
            if len(text_of(wanted).encode()) > _MOST_BYTES:
                _refuse((Problem("", f"the definitions are larger than {_MOST_BYTES} bytes; say less"),))
            return _written(said, wanted)

        return await self._change(owner, request, decide)

    async def restore(self, owner: Owner, version: int, catalogue: Catalogue, request: Request) -> Changed:
        """Makes the definitions what they were in a version; 0 says nothing.

        Raises CatalogueVersionNotFound, EtagMismatch, IdempotencyMismatch, DefinitionsNotKept.
        """
        found = await self._kept().at(owner.platform_uid, version) if version else NOTHING
        if found is None:
            raise CatalogueVersionNotFound(
                f"There is no version {version} of this platform's definitions, or it is older than the "
                f"{KEPT_VERSIONS} that are kept. List them with ListCatalogueVersions.",
                metadata={"version": str(version)},
            )
        changed = await self._change(owner, request, lambda said: _written(said, found, version))
        stale = fitted(changed.said.definitions, catalogue).problems
        return Changed(changed.said, changed.changes, stale)

    async def _change(self, owner: Owner, request: Request, decide: Decide) -> Changed:
        store = self._kept()

        def checked(said: Said) -> Written | None:
            if request.etag and request.etag != etag_of(owner.platform_uid, said.version):
                raise etag_mismatch()
            return decide(said)

        if not request.validate_only:
            return await store.change(owner, request, checked)
        said = await store.current(owner.platform_uid, -1) or Said()
        written = await asyncio.to_thread(checked, said)  # fitting a large schema is arithmetic
        if written is None:
            return Changed(said, ())
        return Changed(Said(said.version, written.definitions), written.changes)

    async def page(self, platform_uid: str, most: int, before: int | None) -> Sequence[Version]:
        """Versions below `before`, the newest first. Raises DefinitionsNotKept."""
        return await self._kept().page(platform_uid, most, before)


def first_answer(content: str, changed: Changed, request: Request) -> Changed:
    """What a request id did before, where it came with the same content. Raises IdempotencyMismatch."""
    if content != request.content:
        raise IdempotencyMismatch(
            "This request_id was used before with other content. Send a new request_id.",
            metadata={"repeated_request_id": request.request_id},
        )
    return changed


def _written(said: Said, wanted: Definitions, restored: int | None = None) -> Written | None:
    changes = told_changes(said.definitions, wanted)
    if not changes:
        return None
    if len(changes) > _MOST_TOLD:
        rest = len(changes) - _MOST_TOLD + 1
        changes = (*changes[: _MOST_TOLD - 1], f"and {rest} changes more.")
    return Written(wanted, changes, restored)


def _put(found: Sequence[Problem], wanted: Definitions, given: Definitions) -> tuple[Problem, ...]:
    """Problems of what is wanted where they stand in what was given."""
    return tuple(Problem(request_path(one.field, wanted, given), one.message) for one in found)


def _refuse(found: Sequence[Problem]) -> None:
    """Raises InvalidRequest where something stands against definitions."""
    if not found:
        return
    violations = [
        FieldViolation(f"definitions.{one.field}" if one.field else "definitions", one.message)
        for one in found[:50]
    ]
    first = violations[0]
    more = f" {len(found) - 1} more break one, too." if len(found) > 1 else ""
    raise InvalidRequest(
        f"A definition breaks a rule: {first.field} {first.description}.{more}", violations=violations
    )
