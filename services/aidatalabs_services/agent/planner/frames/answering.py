"""A framed question answered: its plan as SQL with the sentences on how it was read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from aidatalabs_services.agent.planner.explain import explain
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.linking import Linked
from aidatalabs_services.agent.planner.outcomes import Outcome, Planned
from aidatalabs_services.agent.planner.sql import emit

from .inner import Stopped, once
from .reading import Frames


def framed_outcome(
    index: CatalogueIndex,
    linked: Linked,
    ask: Callable[[str], Outcome],
    plain: Callable[[str], Outcome],
    whole: Callable[[str], Outcome],
    now: datetime,
) -> Outcome | None:
    """The outcome of a question that is built around another one; None where it is not.

    `ask`, `plain` and `whole` plan the texts inside and other wordings, as `Frames` has them.
    """
    try:
        framed = Frames(index, once(ask), once(plain), whole, now).read(linked)
    except Stopped as stopped:
        return stopped.outcome
    if framed is None:
        return None
    lines = [*explain(framed.plan, index, linked, {}), *framed.lines, *framed.read]
    return Planned(framed.plan, emit(framed.plan), tuple(dict.fromkeys(lines)), framed.confidence)
