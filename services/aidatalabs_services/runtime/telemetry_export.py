"""The export of spans over OTLP (gRPC): what is sampled, how much waits, how long a collector may take."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.metadata import version

import structlog
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

_QUEUE_SPANS = 4096
_BATCH_SPANS = 512
_BATCH_SECONDS = 1.0
_EXPORT_SECONDS = 5.0
_ATTRIBUTE_CHARACTERS = 256

_EXPORT_LOG = logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter")
# It repeats what a caller wrote into its `tracestate`.
_STATE_LOG = logging.getLogger("opentelemetry.trace.span")


class _FirstFailure(logging.Filter):
    """Of the exporter's lines lets the first failure through, none after it until `is_away` is False."""

    is_away = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        is_first = record.levelno >= logging.ERROR and not self.is_away
        self.is_away = self.is_away or is_first
        return is_first


class _TellingExporter(SpanExporter):
    """An exporter that tells once when its collector goes away, and once when it is back."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._lines = _FirstFailure()
        self._lost = 0
        _EXPORT_LOG.addFilter(self._lines)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends a batch; one that fails is lost."""
        result = self._inner.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
        elif self._lost:
            structlog.get_logger().info("spans are taken again", lost_count=self._lost)
            self._lines.is_away, self._lost = False, 0
        return result

    def shutdown(self) -> None:
        """Ends the export."""
        self._inner.shutdown()
        _EXPORT_LOG.removeFilter(self._lines)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Waits for nothing: `export` keeps nothing back."""
        return True


def open_provider(service: str, otlp_endpoint: str, sampled_share: float) -> TracerProvider:
    """A provider that sends its spans to `otlp_endpoint` (`http://…` plain, `https://…` TLS) in batches.

    Beyond 4,096 spans that wait, spans are dropped. Headers for the collector (its own token, say) come from
    the standard variable OTEL_EXPORTER_OTLP_HEADERS of the process; the local mesh hands it to none, its
    collector is one on this machine.
    """
    _STATE_LOG.setLevel(logging.ERROR)
    exporter = OTLPSpanExporter(
        otlp_endpoint, insecure=otlp_endpoint.startswith("http://"), timeout=_EXPORT_SECONDS
    )
    about = {
        "service.name": service,
        "service.namespace": "aidatalabs",
        "service.version": version("aidatalabs"),
    }
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(sampled_share)),
        resource=Resource.create(about),
        span_limits=SpanLimits(max_attribute_length=_ATTRIBUTE_CHARACTERS),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(
        BatchSpanProcessor(
            _TellingExporter(exporter),
            max_queue_size=_QUEUE_SPANS,
            max_export_batch_size=_BATCH_SPANS,
            schedule_delay_millis=_BATCH_SECONDS * 1000,
        )
    )
    return provider
