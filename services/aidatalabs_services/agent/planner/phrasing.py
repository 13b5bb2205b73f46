"""Questions put in other words: a meaning that can mean nothing else, a choice put into its place."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from .draft import Choice
from .items import Candidate, Item
from .linking import Linked
from .plan import QueryPlan


def exactly(candidate: Candidate, item: Item) -> tuple[str, str]:
    """A label for a meaning, and words that can mean nothing else."""
    if candidate.kind == "table":
        return f"the table {candidate.table}", f"`{candidate.table}`"
    if candidate.kind == "column":
        return f"{candidate.column} of {candidate.table}", f"`{candidate.table}.{candidate.column}`"
    value = candidate.values[0] if candidate.values else item.text
    return f"{candidate.column} is {value}", f'`{candidate.table}.{candidate.column}` "{value}"'


def needed_joins(plan: QueryPlan) -> int:
    """The joined tables that decide the answer; those that only add a readable name are free."""
    sources = [d.source for d in plan.dimensions if not d.label] + [f.source for f in plan.filters]
    sources += [m.source for m in plan.measures if m.source is not None]
    sources += [f.source for m in plan.measures for f in m.conditions]
    return len({source.table for source in sources} - {plan.table})


def replaced(linked: Linked, choice: Choice) -> str:
    """The question with the choice's words in place of its span of tokens; behind it where that is empty."""
    tokens = linked.tokens
    if choice.start == choice.end:
        end = tokens[-1].end
        return f"{linked.question[:end]} {choice.text}{linked.question[end:]}"
    last = min(choice.end, len(tokens)) - 1
    before, behind = linked.question[: tokens[choice.start].start], linked.question[tokens[last].end :]
    return before + choice.text + behind if choice.text else before.rstrip() + behind


def local(now: datetime, timezone: str) -> datetime:
    """The clock as people in that zone read it, without a zone; a clock without one is UTC."""
    aware = now if now.tzinfo is not None else now.replace(tzinfo=UTC)
    return aware.astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
