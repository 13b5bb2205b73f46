"""A proof looked at again: what of it, and of what it stands on, is no longer as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aidatalabs_services.agent.catalogues import Catalogues
from aidatalabs_services.agent.doors import Door
from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.plans import PlanNotReadable, plan_of, sql_of
from aidatalabs_services.agent.ports import Explanation, PlatformData, Rows
from aidatalabs_services.agent.proofs import Proof, result_sha256, type_of, types_of
from aidatalabs_services.agent.refusals import OF_THE_QUERY
from aidatalabs_services.agent.seals import SealState
from aidatalabs_services.runtime.errors import ServiceError

PRODUCED_BY = "verification"
CONFIRMED, CHANGED, ALTERED, UNCLEAR = "confirmed", "changed", "altered", "unclear"

_OF_THE_PROOF = frozenset(("seal", "sql_digest", "plan", "result_digest"))
_OF_THE_GROUND = frozenset(("table_missing", "column_missing", "column_type", "not_run", "result"))


@dataclass(frozen=True)
class Claim:
    """What a proof in a caller's hands says; its fields are those of the contract's message.

    `columns` are (table, column, type), `plan` is None where it has none.
    """

    sql: str
    sql_sha256: str
    plan: Mapping[str, Any] | None
    columns: tuple[tuple[str, str, str], ...]
    tables: tuple[str, ...]
    schema_version: str
    catalogue_version: str
    definitions_version: int
    data_version: str
    rollup: str
    result_sha256: str
    max_rows: int
    seal: SealState


@dataclass(frozen=True)
class Change:
    """One thing that is not as the proof has it; its fields are those of the contract's AnswerChange."""

    kind: str
    subject: str
    before: str
    after: str
    message: str


@dataclass(frozen=True)
class Verification:
    """The verdict, every change with what decides the verdict first, and the query's proof now."""

    verdict: str
    changes: tuple[Change, ...]
    proof: Proof | None


class Verifier:
    """Runs the queries of proofs again, with the authority of whoever asks."""

    def __init__(self, data: PlatformData, catalogues: Catalogues, *, clock: Callable[[], datetime]) -> None:
        self._data = data
        self._catalogues = catalogues
        self._clock = clock

    async def verify(self, platform: str, platform_uid: str, claim: Claim) -> Verification:
        """What became of a proof. Raises the data's refusals that are none of the query itself."""
        catalogue = await self._catalogues.of(platform, platform_uid)
        changes = [*_own(claim), *_ground(claim, catalogue)]
        door = Door(self._data, platform, claim.max_rows)
        try:
            explanation = await door.explain(claim.sql)
            changes += await self._spelled(claim, door, explanation)
            explanation, rows = await door.rows(claim.sql, explanation)
        except ServiceError as error:
            if error.reason not in OF_THE_QUERY:
                raise
            changes.append(
                Change("not_run", "", "", error.reason, f"The query is refused now: {error.message}")
            )
            return Verification(_verdict(changes), _ordered(changes), None)
        proof = self._proof(claim, catalogue, explanation, rows)
        changes += _outcome(claim, explanation, rows, proof)
        changes += _versions(claim, proof)
        return Verification(_verdict(changes), _ordered(changes), proof)

    async def _spelled(self, claim: Claim, door: Door, explanation: Explanation) -> list[Change]:
        """Whether the SQL is the door's own text, and the plan's."""
        found = []
        if explanation.sql != claim.sql:
            told = "The SQL door writes this query otherwise than the proof has it."
            found.append(Change("canonical_sql", "", claim.sql, explanation.sql, told))
        if claim.plan is None:
            return found
        try:
            planned = (await door.explain(sql_of(plan_of(claim.plan)))).sql
        except PlanNotReadable:
            planned = ""
        except ServiceError as error:
            if error.reason not in OF_THE_QUERY:
                raise
            planned = ""
        if planned != explanation.sql:
            told = "The plan in the proof is not the plan of its SQL."
            found.append(Change("plan", "", explanation.sql, planned, told))
        return found

    def _proof(self, claim: Claim, catalogue: Catalogue, explanation: Explanation, rows: Rows) -> Proof:
        """Of the query alone: nothing that a caller says of it is taken over, since the proof is sealed."""
        return Proof(
            explanation=explanation,
            plan=None,
            catalogue_version=catalogue.version,
            definitions_version=catalogue.definitions_version,
            read_rows=rows.read_rows,
            read_bytes=rows.read_bytes,
            result_sha256=result_sha256(rows, ordered=explanation.ordered),
            produced_by=PRODUCED_BY,
            produced_time=self._clock(),
            makers=(("text", "door"), ("rows", "engine")),
            types=types_of(catalogue, explanation.columns),
            rollup=rows.rollup,
            rollup_reason=rows.rollup_reason,
            max_rows=claim.max_rows,
            truncated=rows.truncated,
        )


def _own(claim: Claim) -> Iterator[Change]:
    """What of the proof itself does not hold together."""
    if claim.seal is SealState.BROKEN:
        told = "The proof was altered after it was made, or was not made by this mesh for this platform."
        yield Change("seal", "", "", "", told)
    digest = hashlib.sha256(claim.sql.encode()).hexdigest()
    if digest != claim.sql_sha256:
        told = "sql_sha256 is not the digest of sql: one of the two was altered."
        yield Change("sql_digest", "", claim.sql_sha256, digest, told)


def _ground(claim: Claim, catalogue: Catalogue) -> Iterator[Change]:
    """Tables and columns that are gone, and columns of another type."""
    there = {table.name for table in catalogue.tables}
    gone = sorted(set(claim.tables) - there)
    for table in gone:
        yield Change("table_missing", table, table, "", f"There is no table {table} any more.")
    for table, column, kind in claim.columns:
        now, name = type_of(catalogue, table, column), f"{table}.{column}"
        if not kind or table in gone or now == kind:
            continue
        if now:
            yield Change("column_type", name, kind, now, f"{name} was {kind} and is {now} now.")
        else:
            yield Change("column_missing", name, kind, "", f"There is no column {name} any more.")


def _outcome(claim: Claim, explanation: Explanation, rows: Rows, proof: Proof) -> Iterator[Change]:
    """Whether the rows are the same."""
    if claim.result_sha256 == proof.result_sha256:
        return
    if rows.truncated and not explanation.ordered:
        told = "The result was cut and nothing orders its rows: which of them come first is chance."
        yield Change("not_comparable", "", claim.result_sha256, proof.result_sha256, told)
    elif claim.seal is not SealState.GOOD and claim.data_version and claim.data_version == rows.data_version:
        told = "The data is the same as then, and its rows have another digest: the proof's was altered."
        yield Change("result_digest", "", claim.result_sha256, proof.result_sha256, told)
    else:
        told = "The query gives other rows now."
        yield Change("result", "", claim.result_sha256, proof.result_sha256, told)


def _versions(claim: Claim, proof: Proof) -> Iterator[Change]:
    """Versions that moved on, which alone takes nothing from an answer."""
    explanation = proof.explanation
    for kind, before, after, told in (
        ("data_version", claim.data_version, explanation.data_version, "Rows of its tables have changed."),
        (
            "schema_version",
            claim.schema_version,
            explanation.schema_version,
            "Tables or columns have changed.",
        ),
        ("catalogue_version", claim.catalogue_version, proof.catalogue_version, "The catalogue was renewed."),
        (
            "definitions_version",
            str(claim.definitions_version),
            str(proof.definitions_version),
            "People changed what they say of the data (ListCatalogueVersions).",
        ),
        ("rollup", claim.rollup, proof.rollup, "Another roll-up serves the query, or none."),
    ):
        if before != after:
            yield Change(kind, "", before, after, told)


def _rank(change: Change) -> int:
    groups = (_OF_THE_PROOF, _OF_THE_GROUND, frozenset(("not_comparable", "canonical_sql")))
    return next((place for place, group in enumerate(groups) if change.kind in group), len(groups))


def _ordered(changes: list[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=_rank))


def _verdict(changes: list[Change]) -> str:
    kinds = {change.kind for change in changes}
    if kinds & _OF_THE_PROOF:
        return ALTERED
    if kinds & _OF_THE_GROUND:
        return CHANGED
    return UNCLEAR if "not_comparable" in kinds else CONFIRMED
