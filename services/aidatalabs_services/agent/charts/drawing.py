"""From an answer's steps to its picture."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from aidatalabs_services.agent.errors import ChartNotAvailable
from aidatalabs_services.agent.planner.outcomes import Clarification

if TYPE_CHECKING:  # the query agent draws charts itself: at run time this would be a circle
    from aidatalabs_services.agent.ports import Drawer, PictureForm
    from aidatalabs_services.agent.query_agent import Step

_WIDTH, _LEAST_WIDTH = 640, 200


async def drawn_answer(steps: AsyncIterator[Step], drawer: Drawer, form: PictureForm, width: int) -> bytes:
    """The picture of an answer. Raises ChartNotAvailable where it has none, and what its steps raise."""
    from aidatalabs_services.agent.query_agent import Drawn

    spec: Mapping[str, object] | None = None
    async with aclosing(cast(Any, steps)) as told:
        async for step in told:
            if isinstance(step, Clarification):
                asked = "The question has several readings; ask one of the choices that Query offers."
                raise ChartNotAvailable(asked, metadata={"cause": "clarification"})
            if isinstance(step, Drawn):
                spec = step.spec
    if spec is None:
        best = "This answer is best read as a table. Ask Query for its rows, or a figure by group."
        raise ChartNotAvailable(best, metadata={"cause": "table"})
    return await drawer.draw(sized(spec, max(width, _LEAST_WIDTH) if width else _WIDTH), form)


def sized(spec: Mapping[str, object], width: int) -> dict[str, object]:
    """The spec with a width of its own: `container` means the page it is put into, and a file has none."""
    return {**spec, "width": width} if spec.get("width") in (None, "container") else dict(spec)
