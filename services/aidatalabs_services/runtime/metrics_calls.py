"""What every server counts of its calls: how many, how long, how many at once, which refusals.

    grpc_server_handled_total{grpc_service,grpc_method,grpc_code}
    grpc_server_handling_seconds{grpc_service,grpc_method}
    grpc_server_in_flight{grpc_method}
    aidatalabs_refusals_total{grpc_method,reason}
    aidatalabs_calls_running, aidatalabs_calls_waiting, aidatalabs_call_places

The first two have the names that dashboards for gRPC servers know.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

from aidatalabs_services.runtime.caller import optional_call
from aidatalabs_services.runtime.metrics import CallOutcome, Metrics

if TYPE_CHECKING:
    from aidatalabs_services.runtime.interceptors.admission import Admission

_UNKNOWN = "/unknown/unknown"


class MethodMeter:
    """The figures of one method, its labels bound once; made by `CallMeter`."""

    __slots__ = ("by_code", "method", "running", "seconds")

    def __init__(self, method: str, seconds: Histogram) -> None:
        self.method = method
        self.seconds = seconds
        self.by_code: dict[str, Counter] = {}
        self.running = 0


class CallMeter:
    """Counts the calls of one server; methods other than `known` are counted as one, named `unknown`."""

    def __init__(self, metrics: Metrics, admission: Admission, places: int, known: Collection[str]) -> None:
        self._known = frozenset(known)
        self._meters: dict[str, MethodMeter] = {}
        self._observers = metrics.observers
        labels = ("grpc_service", "grpc_method")
        self._handled = metrics.counter(
            "grpc_server_handled_total", "Calls that ended, by code.", (*labels, "grpc_code")
        )
        self._seconds = metrics.seconds(
            "grpc_server_handling_seconds", "From the first byte of a call to its end.", labels
        )
        self._refused = metrics.counter(
            "aidatalabs_refusals_total", "Calls that were refused, by reason.", ("grpc_method", "reason")
        )
        metrics.reading("grpc_server_in_flight", "Calls under way.", self._in_flight, "grpc_method")
        metrics.reading("aidatalabs_calls_running", "Calls that hold a place.", lambda: admission.running)
        metrics.reading("aidatalabs_calls_waiting", "Calls that wait for a place.", lambda: admission.waiting)
        metrics.reading("aidatalabs_call_places", "Places that calls run in.", lambda: places)

    def begin(self, method: str) -> MethodMeter:
        """Counts a call in; hand what it returns to `end`."""
        meter = self._meters.get(method)
        if meter is None:
            name = method if method in self._known else _UNKNOWN
            meter = self._meters.get(name) or MethodMeter(name, self._seconds.labels(*_labels(name)))
            self._meters[name] = meter
        meter.running += 1
        return meter

    def end(self, meter: MethodMeter, code: str, reason: str, seconds: float) -> None:
        """Counts it out, with the name of its gRPC code and, for a refusal, the reason."""
        meter.running -= 1
        counted = meter.by_code.get(code)
        if counted is None:
            counted = meter.by_code[code] = self._handled.labels(*_labels(meter.method), code)
        counted.inc()
        meter.seconds.observe(seconds)
        if reason:
            self._refused.labels(_labels(meter.method)[1], reason).inc()
        if self._observers:
            call = optional_call()
            user = call.caller.user if call and call.caller else ""
            outcome = CallOutcome(meter.method, code, reason, seconds, user)
            for observe in self._observers:
                observe(outcome)

    def _in_flight(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, meter in self._meters.items():  # two services may have a method of the same name
            method = _labels(name)[1]
            found[method] = found.get(method, 0.0) + meter.running
        return found


def _labels(method: str) -> tuple[str, str]:
    service, _, name = method.strip("/").partition("/")
    return service, name
