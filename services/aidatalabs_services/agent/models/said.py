"""What people of a platform say of its tables, as a model sees it beside what the data says.

It is data like every name and comment: a text that reads like an instruction is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from aidatalabs_services.agent.models.wording import one_line
from aidatalabs_services.agent.planner.definitions import MetricDefinition
from aidatalabs_services.agent.planner.index import CatalogueIndex

_TEXT_CHARACTERS = 200
_MOST_WORDS = 8
_MOST_METRICS = 40


def said_of_table(table: str, index: CatalogueIndex) -> dict[str, object]:
    """Other words for a table, what a row of it is, its usual time, and the metrics computed over it."""
    found: dict[str, object] = {}
    said = index.defined.definitions.table(table)
    if said is not None:
        if said.description:
            found["comment"] = one_line(said.description, _TEXT_CHARACTERS)
        if said.synonyms:
            found["also_called"] = list(said.synonyms[:_MOST_WORDS])
        if said.default_time:
            found["usual_time"] = said.default_time
    metrics = [_metric(metric) for metric in _metrics(table, index)]
    if metrics:
        found["metrics"] = metrics[:_MOST_METRICS]
    return found


def said_of_column(table: str, column: str, index: CatalogueIndex) -> dict[str, object]:
    """Other words for a column and for its values, and what it holds."""
    said = index.defined.definitions.column(table, column)
    if said is None:
        return {}
    found: dict[str, object] = {}
    if said.description:
        found["comment"] = one_line(said.description, _TEXT_CHARACTERS)
    if said.synonyms:
        found["also_called"] = list(said.synonyms[:_MOST_WORDS])
    called = {value.value: list(value.synonyms[:_MOST_WORDS]) for value in said.values if value.synonyms}
    if called:
        found["values_also_called"] = called
    return found


def words_for(table: str, index: CatalogueIndex) -> str:
    """All names that people gave to a table, its columns and its metrics, as one text."""
    said = index.defined.definitions.table(table)
    names = [*said.synonyms, *(word for one in said.columns for word in one.synonyms)] if said else []
    return " ".join([*names, *(name for metric in _metrics(table, index) for name in metric.names)])


def _metrics(table: str, index: CatalogueIndex) -> Iterator[MetricDefinition]:
    """The metrics of a table that can be written with the columns that are shown."""
    for (place, _), metric in index.defined.metrics.items():
        needed = {metric.column, *(one.column for one in metric.filters)} - {""}
        if place == table and all((table, name) in index.columns for name in needed):
            yield metric


def _metric(metric: MetricDefinition) -> dict[str, object]:
    """A metric without what is empty."""
    fields = asdict(metric)
    fields["also_called"] = fields.pop("synonyms")[:_MOST_WORDS]
    fields["description"] = one_line(metric.description, _TEXT_CHARACTERS)
    del fields["table"]
    return {name: value for name, value in fields.items() if value}
