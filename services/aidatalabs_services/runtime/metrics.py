"""The metrics of one service, as Prometheus reads them; a service adds its families to those of the runtime.

    metrics = Metrics()                                    made by the bootstrap, handed over with the Service
    rows = metrics.total("clickhouse_rows_read", "…")      rows.add(5)
    metrics.reading("aidatalabs_engines_running", "…", lambda: len(pool.running()))

Labels take values from short lists that are known beforehand (methods, codes, reasons): never a user, a
platform, a table or a text of a caller. Whole seconds, bytes and rows are the units, named in the metric.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of every histogram of seconds: from a look-up to the longest call."""

# A second series beside each counter and histogram, which nobody asked for.
disable_created_metrics()  # type: ignore[no-untyped-call]

Reading = Callable[[], float | Mapping[str, float] | None]
"""A figure read when it is asked for, or one by value of a label; None while there is none to tell."""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How one call ended: the full gRPC path, the code's name, the reason of a refusal, who called."""

    method: str
    code: str
    reason: str
    seconds: float
    user: str


class Total:
    """A running total under exactly its name; a counter of the client library ends in `_total`."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._value = 0.0

    def add(self, amount: float) -> None:
        """Counts `amount`, which is not negative."""
        self._value += amount

    def collect(self) -> Iterator[Metric]:
        """The one sample, untyped in the text format."""
        family = Metric(self._name, self._documentation, "unknown")
        family.add_sample(self._name, {}, self._value)
        yield family


class _Readings:
    """Gauges that are read at each scrape."""

    def __init__(self, name: str, documentation: str, read: Reading, label: str) -> None:
        self._name = name
        self._documentation = documentation
        self._read = read
        self._label = label

    def collect(self) -> Iterator[Metric]:
        found = self._read()
        if found is None:
            return
        family = GaugeMetricFamily(
            self._name, self._documentation, labels=[self._label] if self._label else None
        )
        if isinstance(found, Mapping):
            for value, figure in found.items():
                family.add_metric([value], figure)
        else:
            family.add_metric([], found)
        yield family


class Metrics:
    """Every family of one service. Use it in the service's own event loop."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._refreshes: list[Callable[[], Awaitable[None]]] = []
        self.observers: list[Callable[[CallOutcome], None]] = []
        """Each is told of every call that ended; quick, and without an error."""

    def counter(self, name: str, documentation: str, labels: tuple[str, ...] = ()) -> Counter:
        """A counter whose name ends in `_total`."""
        return Counter(name, documentation, labels, registry=self._registry)

    def seconds(self, name: str, documentation: str, labels: tuple[str, ...] = ()) -> Histogram:
        """A histogram of durations in seconds."""
        return Histogram(name, documentation, labels, buckets=SECONDS_BUCKETS, registry=self._registry)

    def total(self, name: str, documentation: str) -> Total:
        """A running total under exactly this name."""
        made = Total(name, documentation)
        self._registry.register(made)
        return made

    def reading(self, name: str, documentation: str, read: Reading, label: str = "") -> None:
        """A gauge read at each scrape; with `label` one for each entry of the mapping."""
        self._registry.register(_Readings(name, documentation, read, label))

    def before_reading(self, refresh: Callable[[], Awaitable[None]]) -> None:
        """Runs `refresh` before each scrape, for figures that take a wait."""
        self._refreshes.append(refresh)

    async def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        for refresh in self._refreshes:
            await refresh()
        return generate_latest(self._registry)
