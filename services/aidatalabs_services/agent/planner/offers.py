"""What the choices of a question back lead to: all of them, or a refusal that names those that were lost."""

from __future__ import annotations

from collections.abc import Sequence

from .draft import Ambiguous, Choice
from .outcomes import Clarification, ClarificationChoice, Outcome, Planned, Refusal

_MOST_CHOICES = 4


def offered(ambiguous: Ambiguous, tried: Sequence[tuple[Choice, str, Outcome]]) -> Outcome | None:
    """The clarification of the choices that can be answered, each tried as (choice, question, outcome).

    A choice that is asked about again stands for each of its own choices. Where only one of several can be
    answered, offering it alone would steer there: that is a refusal naming the others. None where nothing
    can be answered.
    """
    made: list[ClarificationChoice] = []
    left: list[str] = []
    lost: list[str] = []
    crowded: list[str] = []
    for choice, text, outcome in tried:
        found = _found(choice.label, text, outcome)
        new = [one for one in found if all(held.sql != one.sql for held in made)]
        if not found:
            lost += [] if choice.spare else [choice.label]
        elif len(made) + len(new) > _MOST_CHOICES:
            crowded.append(choice.label)
        elif new:
            made += new
            left.append(choice.label)
    if not made:
        return None
    if len(left) == 1 and crowded:
        told = " or ".join(f"'{label}'" for label in left + crowded)
        return Refusal("not_answerable", f"{ambiguous.question} Say which by its name: {told}.")
    if len(left) == 1 and lost:
        told = " and ".join(f"'{label}'" for label in lost)
        message = f"{ambiguous.question} I can only tell '{left[0]}' here, not {told}."
        return Refusal("not_answerable", message, (f'Did you mean "{made[0].question}"?',))
    more = f" (Also possible, by name: {', '.join(crowded)}.)" if crowded else ""
    return Clarification(ambiguous.question + more, tuple(made))


def _found(label: str, text: str, outcome: Outcome) -> list[ClarificationChoice]:
    if isinstance(outcome, Planned):
        return [ClarificationChoice(label, text, outcome.sql)]
    if isinstance(outcome, Clarification):
        return [ClarificationChoice(f"{label}, {c.label}", c.question, c.sql) for c in outcome.choices]
    return []
