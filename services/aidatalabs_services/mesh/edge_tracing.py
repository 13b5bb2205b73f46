"""How the edge begins a trace, or takes over that of its client: the tracing part of Envoy's configuration.

Envoy's own tags would tell more than they should: the URL with its query (SQL), the client's address, what
program it uses. They are overwritten; what stays says which endpoint was called and how that ended.
"""

from __future__ import annotations

from aidatalabs_services.mesh.edge_config import EdgeTracing

CLUSTER = "otlp"
"""Name of the collector's cluster."""

REQUEST_HEADERS = ("x-aidatalabs-trace", "x-aidatalabs-traceresponse")
"""Headers that carry the trace between the edge's own filters; no service gets them."""

TOLD_ID, TOLD_ANSWER = (f"%FILTER_STATE({name}:PLAIN)%" for name in REQUEST_HEADERS)
"""The trace id, and the `traceresponse`, in answers that the edge gives by itself."""

ORIGINAL_METHOD = "x-envoy-original-method"
"""Where the transcoder keeps the verb of a request; a client's own is dropped."""

METHOD = f"%REQ({ORIGINAL_METHOD.upper()}?:METHOD)%"
"""The client's verb, for spans and the access log: a transcoded request is a POST by then."""

Data = dict[str, object]

_SERVICE = "edge"
_NAMESPACE = "aidatalabs"
_PATH = "%PATH(NQ:ORIG_OR_PATH)%"
_TELLTALE_TAGS = ("http.url", "user_agent", "peer.address", "downstream_cluster", "grpc.message")


def tracing(config: EdgeTracing) -> Data:
    """`HttpConnectionManager.tracing`: spans of OpenTelemetry, W3C headers, one rule for sampling."""
    everything: Data = {"value": 100}
    return {
        # The sampler below decides alone.
        "random_sampling": everything,
        "client_sampling": {"value": 0},
        "overall_sampling": everything,
        "spawn_upstream_span": True,
        "max_path_tag_length": 1,
        "operation": f"{METHOD} {_PATH}",
        "upstream_operation": "%UPSTREAM_CLUSTER%",
        "custom_tags": [
            {"tag": "url.path", "value": _PATH},
            {"tag": "aidatalabs.request_id", "value": "%REQ(X-REQUEST-ID)%"},
            *({"tag": name, "literal": {"value": "-"}} for name in _TELLTALE_TAGS),
        ],
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": _opentelemetry(config)},
    }


def answer(config: EdgeTracing) -> str:
    """`traceresponse` of W3C Trace Context: trace, the edge's span, whether spans may be recorded."""
    return f"00-%TRACE_ID%-%SPAN_ID%-{'01' if _share(config) else '00'}"


def request_mutations(config: EdgeTracing) -> list[Data]:
    """Writes the trace of a request into headers of ours, in place of what a client put there.

    What a client says of its verb goes as well, before the transcoder writes the true one.
    """
    values = dict(zip(REQUEST_HEADERS, ("%TRACE_ID%", answer(config)), strict=True))
    removed: list[Data] = [{"remove": name} for name in (*values, ORIGINAL_METHOD)]
    written: list[Data] = [
        {"append": {"header": {"key": name, "value": value}}} for name, value in values.items()
    ]
    return [*removed, *written]


def states() -> list[Data]:
    """Keeps what those headers say, under the same names, until the request is answered."""
    return [
        {
            "object_key": name,
            "factory_key": "envoy.string",
            "format_string": {
                "text_format_source": {"inline_string": f"%REQ({name})%"},
                "omit_empty_values": True,
            },
            "skip_if_empty": True,
        }
        for name in REQUEST_HEADERS
    ]


def _share(config: EdgeTracing) -> float:
    return config.sampled_share if config.otlp_endpoint else 0.0


def _opentelemetry(config: EdgeTracing) -> Data:
    millionths = round(_share(config) * 1_000_000)
    return {
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "service_name": _SERVICE,
        "resource_detectors": [
            {
                "name": "envoy.tracers.opentelemetry.resource_detectors.static_config",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.tracers.opentelemetry"
                    ".resource_detectors.v3.StaticConfigResourceDetectorConfig",
                    "attributes": {"service.namespace": _NAMESPACE},
                },
            }
        ],
        "sampler": {
            "name": "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.tracers.opentelemetry"
                ".samplers.v3.TraceIdRatioBasedSamplerConfig",
                "sampling_percentage": {"numerator": millionths, "denominator": "MILLION"},
            },
        },
        "grpc_service": {"envoy_grpc": {"cluster_name": CLUSTER}, "timeout": "2s"},
    }
