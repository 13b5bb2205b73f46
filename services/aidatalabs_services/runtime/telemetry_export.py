"""The export of spans over OTLP (gRPC): what is sampled, how much waits, how long a collector may take."""

from __future__ import annotations

from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

_QUEUE_SPANS = 4096
_BATCH_SPANS = 512
_BATCH_SECONDS = 1.0
_EXPORT_SECONDS = 5.0
_ATTRIBUTE_CHARACTERS = 256


def open_provider(service: str, otlp_endpoint: str, sampled_share: float) -> TracerProvider:
    """A provider that sends its spans to `otlp_endpoint` (`http://…` plain, `https://…` TLS) in batches.

    Beyond 4,096 spans that wait, spans are dropped. Headers for the collector (its own token, say) come from
    the standard variable OTEL_EXPORTER_OTLP_HEADERS.
    """
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
            exporter,
            max_queue_size=_QUEUE_SPANS,
            max_export_batch_size=_BATCH_SPANS,
            schedule_delay_millis=_BATCH_SECONDS * 1000,
        )
    )
    return provider
