"""Where a collector of traces may be: what the settings take, and what they say of the rest."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from aidatalabs_services.mesh.settings import MeshSettings


@pytest.mark.parametrize(
    "text", ["", "http://127.0.0.1:4317", "https://otel.example.com:4317", "http://[::1]:4317"]
)
def test_a_collectors_address_is_taken(text: str) -> None:
    assert MeshSettings(telemetry_otlp_endpoint=text).telemetry_otlp_endpoint == text


@pytest.mark.parametrize(
    "text",
    [
        "localhost:4317",
        "http://localhost",
        "http://localhost:4317/v1/traces",
        "http://ana:secret@localhost:4317",
        "grpc://localhost:4317",
        "http://localhost:4317\n",
    ],
)
def test_another_address_is_refused_with_the_form_it_needs(text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        MeshSettings(telemetry_otlp_endpoint=text)
    (problem,) = caught.value.errors(include_input=False)
    assert "`http://host:port`" in problem["msg"]
