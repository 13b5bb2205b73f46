"""Ratios of metrics: their parts are there, are of one table, and do not lead back to themselves."""

from __future__ import annotations

from collections.abc import Callable

from .definitions import Definitions, MetricDefinition

_DEEPEST = 4


def fitting_ratios(
    definitions: Definitions, is_time: Callable[[MetricDefinition], bool]
) -> tuple[tuple[MetricDefinition, ...], list[tuple[str, str, str]]]:
    """The metrics without the ratios that cannot be computed, and of these (name, field, why).

    `is_time` tells the metrics that are no numbers.
    """
    checked = _Ratios(definitions, is_time)
    kept, told = [], []
    for metric in definitions.metrics:
        field, why = checked.why_not(metric, ())
        if why:
            told.append((metric.name, field, why))
        else:
            kept.append(metric)
    return tuple(kept), told


class _Ratios:
    def __init__(self, definitions: Definitions, is_time: Callable[[MetricDefinition], bool]) -> None:
        self._metrics = {metric.name.casefold(): metric for metric in definitions.metrics}
        self._is_time = is_time
        self._known: dict[str, tuple[str, str]] = {}

    def why_not(self, metric: MetricDefinition, above: tuple[str, ...]) -> tuple[str, str]:
        """(field, why) of what stands against a metric; empty where nothing does."""
        if not metric.is_ratio:
            return "", ""
        name = metric.name.casefold()
        if name in self._known:
            return self._known[name]
        found = self._checked(metric, (*above, name))
        if not above:
            self._known[name] = found
        return found

    def _checked(self, metric: MetricDefinition, above: tuple[str, ...]) -> tuple[str, str]:
        parts = {"numerator": metric.numerator, "denominator": metric.denominator}
        for field, called in parts.items():
            part = self._metrics.get(called.casefold())
            if part is None:
                return field, f"there is no metric {called!r} that could be computed"
            if part.name.casefold() in above:
                return field, f"{called!r} is computed of {metric.name!r} itself; a ratio needs other metrics"
            if len(above) >= _DEEPEST and part.is_ratio:
                return field, f"ratios of ratios may be {_DEEPEST} deep"
            if self._is_time(part):
                return field, f"{called!r} is a date, which cannot be divided"
            _, why = self.why_not(part, above)
            if why:
                return field, f"{called!r} cannot be computed: {why}"
        tables = [self._table(called, ()) for called in parts.values()]
        if tables[0] != tables[1]:
            return "denominator", (
                f"{metric.numerator!r} is computed over {tables[0]} and {metric.denominator!r} over "
                f"{tables[1]}; a ratio is of rows of one table"
            )
        return "", ""

    def _table(self, called: str, seen: tuple[str, ...]) -> str:
        metric = self._metrics.get(called.casefold())
        if metric is None or metric.name in seen:
            return ""
        return self._table(metric.numerator, (*seen, metric.name)) if metric.is_ratio else metric.table
