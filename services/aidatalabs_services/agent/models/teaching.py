"""What a platform was taught, as a model is shown it: lessons near to a question, and what people say."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aidatalabs_services.agent.planner.lexicon import FILLERS

_WORD = re.compile(r"\w{2,}")
_STEM = 6
_LEAST = 0.1
_EXAMPLE_CHARACTERS = 1_500
_ALL_CHARACTERS = 5_000


@dataclass(frozen=True)
class Example:
    """A question of the platform with the query that people said is right, as `lesson` has it."""

    lesson: str
    question: str
    sql: str


@dataclass(frozen=True)
class Teaching:
    """What is shown beside the catalogue: examples, the nearest one first, and what people say of tables,
    columns and numbers, one record each."""

    examples: tuple[Example, ...] = ()
    said: tuple[Mapping[str, object], ...] = ()


NOTHING = Teaching()


def nearest(question: str, examples: Sequence[Example], most: int) -> tuple[Example, ...]:
    """The examples whose questions share most words with this one, rare words counting more; at most so many,
    and together no longer than a few thousand characters.

    The measure is the cosine of the words' weights, log(1 + examples / examples with the word).
    """
    bags = [_stems(example.question) for example in examples]
    spread = Counter(stem for bag in bags for stem in bag)
    weights = {stem: math.log1p(len(bags) / count) for stem, count in spread.items()}
    unknown = math.log1p(len(bags))
    asked = _stems(question)

    def length(bag: frozenset[str]) -> float:
        return math.sqrt(sum(weights.get(stem, unknown) ** 2 for stem in bag)) or 1.0

    found = []
    for example, bag in zip(examples, bags, strict=True):
        shared = sum(weights[stem] ** 2 for stem in asked & bag)
        score = shared / (length(asked) * length(bag))
        if score >= _LEAST and len(example.sql) <= _EXAMPLE_CHARACTERS:
            found.append((-score, example.question, example))
    kept: list[Example] = []
    room = _ALL_CHARACTERS
    for _, _, example in sorted(found, key=lambda one: one[:2])[:most]:
        room -= len(example.question) + len(example.sql)
        if room >= 0:
            kept.append(example)
    return tuple(kept)


def _stems(text: str) -> frozenset[str]:
    words = (word.casefold() for word in _WORD.findall(text))
    return frozenset(word[:_STEM] for word in words if word not in FILLERS)
