"""Follow-ups: what the new words of a conversation ask, put into the plan of the answer before.

The new words are read by the planner itself, as part of a question about the same table (the frame). What
they add is then merged into the earlier plan, field by field: a condition on the same column and a time
replace the earlier one, a group joins or replaces, a number replaces or joins. Where both can be meant, it
asks. The earlier question's text is never read again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aidatalabs_services.agent.continuing import NotMergeable, over_time
from aidatalabs_services.agent.merging import (
    Addition,
    as_share,
    limited,
    merged,
    ordered,
    overall,
    ungrouped_by_time,
)
from aidatalabs_services.agent.openings import Mode, Opening, opening_of
from aidatalabs_services.agent.planner.outcomes import (
    Clarification,
    ClarificationChoice,
    Outcome,
    Planned,
    Refusal,
    Wording,
)
from aidatalabs_services.agent.planner.plan import Filter, QueryPlan
from aidatalabs_services.agent.plans import PlanNotReadable, sql_of

Reader = Callable[[str], Outcome]
"""The planner over one catalogue and clock: a text and what it leads to."""

_WHOLE = "Ask it as a whole question."
_MOST_CHOICES = 4


@dataclass(frozen=True)
class Followed:
    """A follow-up understood: the whole plan, how surely, what the new words were read as, and whether it
    only asks how the answer before came about."""

    plan: QueryPlan
    sql: str
    confidence: float
    wordings: tuple[Wording, ...] = ()
    why: bool = False


FollowUp = Followed | Clarification | Refusal


def follow(text: str, earlier: QueryPlan, read: Reader) -> FollowUp | None:
    """What a text asks after an answer with the plan `earlier`; None where it is a question of its own."""
    opening = opening_of(text)
    fresh = None if opening.continues else read(text)
    if isinstance(fresh, Planned) or (isinstance(fresh, Refusal) and fresh.kind == "not_read_only"):
        return None
    try:
        found = _followed(opening, earlier, read)
    except NotMergeable as error:
        found = Refusal("not_answerable", f"{error} {_WHOLE}")
    if isinstance(fresh, Clarification):  # what was asked before may settle it
        settles = isinstance(found, Followed) and found.sql in {choice.sql for choice in fresh.choices}
        return found if settles else None
    if isinstance(found, Refusal) and not opening.continues:
        return None  # the refusal of the words alone says more
    return found


def _followed(opening: Opening, earlier: QueryPlan, read: Reader) -> FollowUp:
    if opening.why:
        return Followed(earlier, sql_of(earlier), 1.0, why=True)
    plan = earlier
    if opening.share:
        plan = as_share(plan)
    if opening.overall:
        plan = overall(plan)
    if opening.any_time:
        plan = ungrouped_by_time(plan)
    if opening.over_time:
        plan = over_time(plan, opening.over_time)
    if opening.sorted_by:
        plan = ordered(plan, opening.sorted_by)
    if opening.limit is not None and not opening.rest:
        plan = limited(plan, opening.limit, opening.descending, placed=opening.placed)
    if not opening.rest:
        if plan == earlier and opening.limit is None and not opening.sorted_by:
            return Refusal(
                "not_answerable", f"The words say nothing to change in the answer before. {_WHOLE}"
            )
        return _settled(plan)
    return _read_rest(opening, plan, read)


def _settled(plan: QueryPlan, confidence: float = 1.0, wordings: tuple[Wording, ...] = ()) -> Followed:
    try:
        return Followed(plan, sql_of(plan), confidence, wordings)
    except PlanNotReadable as error:
        raise NotMergeable("What was asked before does not take this.") from error


@dataclass(frozen=True)
class _Frame:
    """A question of the planner that the new words stand in: `before` and `behind` are ours.

    `measured` says that the numbers asked for are the frame's own, not the words'.
    """

    before: str
    behind: str
    measured: bool

    def of(self, words: str) -> str:
        return f"{self.before}{words}{self.behind}"

    def words(self, text: str) -> str:
        return text.removeprefix(self.before).removesuffix(self.behind).strip()


def _frames(opening: Opening, earlier: QueryPlan) -> list[_Frame]:
    table = f"`{earlier.table}`"
    if opening.limit is not None:
        return [_Frame("", f" by number of {table}", True)]
    return [
        _Frame(f"number of {table} ", "", True),
        _Frame(f"number of {table} for ", "", True),
        _Frame(f"number of {table} by ", "", True),
        _Frame("", "", False),
        _Frame("", f" of {table}", False),
    ]


def _read_rest(opening: Opening, earlier: QueryPlan, read: Reader) -> FollowUp:
    """The first frame in which the words can be read; a question back waits for a frame that needs none."""
    asked: tuple[_Frame, Clarification] | None = None
    refused: Refusal | None = None
    for frame in _frames(opening, earlier):
        text = opening.ranked if opening.limit is not None else opening.rest
        outcome = read(frame.of(text))
        if isinstance(outcome, Planned) and _fits(outcome.plan, earlier, frame):
            return _merged(opening, earlier, outcome, frame)
        if isinstance(outcome, Clarification) and asked is None:
            asked = (frame, outcome)
        if isinstance(outcome, Refusal):
            if outcome.kind == "not_read_only":
                return outcome
            refused = refused or outcome
    if asked is not None:
        return _asked(opening, earlier, read, *asked)
    message = refused.message if refused is not None else "The words fit nothing that was asked before."
    return Refusal("not_answerable", f"{message} {_WHOLE}", ())


def _fits(plan: QueryPlan, earlier: QueryPlan, frame: _Frame) -> bool:
    """Whether the words were read about the same rows, and as what the frame says they are."""
    if plan.table != earlier.table or plan.form == "list":
        return False
    counted = len(plan.measures) == 1 and plan.measures[0].function == "count"
    return counted if frame.measured else True


def _merged(opening: Opening, earlier: QueryPlan, outcome: Planned, frame: _Frame) -> FollowUp:
    addition = Addition(outcome.plan, measured=not frame.measured, ranked=opening.limit is not None)
    new = outcome.plan
    if frame.measured and not (new.filters or new.windows or new.dimensions):
        raise NotMergeable("The words say nothing to change in the answer before.")
    if opening.mode is Mode.REPLACE and any(_only_there(one) for one in new.filters):
        raise NotMergeable("The words name a table, and not what is asked about it.")
    said = tuple(one for one in outcome.wordings if one.words.casefold() in opening.text.casefold())
    both = merged(earlier, addition, opening.mode)
    if len(both) == 1:
        return _settled(both[0][1], outcome.confidence, said)
    choices = [
        ClarificationChoice(label, f"{word} {opening.rest}", sql_of(plan))
        for (label, plan), word in zip(both, ("also", "instead"), strict=True)
    ]
    return Clarification(
        "Is this asked beside what the answer before is grouped by, or instead?", tuple(choices)
    )


def _only_there(condition: Filter) -> bool:
    """Whether a condition only asks for some row of another table, whichever."""
    query = condition.query
    return query is not None and not (query.filters or query.windows or query.having or query.measures)


def _asked(
    opening: Opening, earlier: QueryPlan, read: Reader, frame: _Frame, asked: Clarification
) -> FollowUp:
    """The choices of the words' meanings; one that the earlier plan speaks of already needs no question."""
    found: list[tuple[ClarificationChoice, Followed, bool]] = []
    for choice in asked.choices:
        outcome = read(choice.question)
        if not isinstance(outcome, Planned) or not _fits(outcome.plan, earlier, frame):
            continue
        try:
            merged_plan = _merged(opening, earlier, outcome, frame)
        except NotMergeable:
            continue
        if isinstance(merged_plan, Followed):
            words = f"{opening.said} {frame.words(choice.question)}".strip()
            made = ClarificationChoice(choice.label, words, merged_plan.sql)
            found.append((made, merged_plan, _speaks(outcome.plan, earlier)))
    spoken = [one for one in found if one[2]]
    if len(spoken) == 1:
        return spoken[0][1]
    if len(found) == 1:
        return found[0][1]
    if not found:
        return Refusal("not_answerable", f"{asked.question} {_WHOLE}")
    return Clarification(asked.question, tuple(choice for choice, _, _ in found[:_MOST_CHOICES]))


def _speaks(plan: QueryPlan, earlier: QueryPlan) -> bool:
    """Whether the columns that the words may mean are among those of the earlier plan."""
    held = {d.source for d in earlier.dimensions} | {f.source for f in earlier.filters}
    named = {f.source for f in plan.filters} | {d.source for d in plan.dimensions}
    return bool(named) and named <= held
