"""Ingest through Kafka: acknowledged by the broker, carried into the engine by a sink worker."""

from __future__ import annotations
