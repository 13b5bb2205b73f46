"""The parts of ingest through Kafka, without a broker."""

from __future__ import annotations
