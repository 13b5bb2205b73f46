"""Calls with the names of one run filled in, and answers without what differs from run to run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from google.api import httpbody_pb2
from google.protobuf import json_format

from aidatalabs.data.v1 import data_service_pb2
from tests.e2e.transports import Outcome, Refused

# What is another value at every call, or counts what other calls did in between.
VOLATILE = {
    *("uid", "create_time", "update_time", "delete_time", "expire_time", "etag", "owner", "produced_time"),
    # Whether a call was answered with rows that another transport's had read.
    *("cached", "age_seconds", "cost_rows", "estimated_seconds", "estimated_bytes"),
    *("data_version_before", "data_version_after", "start_time", "end_time", "physically_removed"),
    *("elapsed_seconds", "data_version", "catalogue_version", "schema_version", "key_id", "size_bytes"),
    *("key", "snapshot_time", "pause_seconds", "copied_bytes", "file_count", "row_hash", "restored_hash"),
    *("recovery_seconds", "loss_seconds", "missing_count", "purge_time", "change_time"),
    # Times in a sentence.
    "summary",
    # A proof's seal is over the time it was made at; versions as they are now stand in `after`.
    *("seal", "after", "conversation", "forget_time"),
    # Every rotation adds a key; a rejected row has an id of its own.
    *("keys", "id"),
}


def filled(value: Any, way: str, names: Mapping[str, str] | None = None) -> Any:
    """The fields of a call by this transport; `{deletion}` is the id of the one made over it, and so on."""
    if isinstance(value, Mapping):
        return {key: filled(one, way, names) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, way, names) for one in value]
    if not isinstance(value, str):
        return value
    for name, text in {"way": way, **(names or {})}.items():
        value = value.replace(f"{{{name}}}", text)
    return value


def plain(outcome: Outcome, way: str, names: Mapping[str, str] | None = None) -> Any:
    """An outcome without what differs from call to call, and with `{way}` where the transport's name was."""
    if isinstance(outcome, Refused):
        assert outcome.has_request_id, outcome
        return emptied((outcome.code, outcome.reason, outcome.message, outcome.facts, outcome.fields), way)
    if outcome and isinstance(outcome[0], httpbody_pb2.HttpBody):
        return outcome[0].content_type, b"".join(part.data for part in outcome)
    if outcome and isinstance(outcome[0], data_service_pb2.StreamQueryResponse):
        joined = b"".join(part.arrow_ipc for part in outcome)
        return pa.ipc.open_stream(joined).read_all().to_pydict()
    return [
        emptied(json_format.MessageToDict(message, preserving_proto_field_name=True), way, names)
        for message in outcome
    ]


def emptied(value: Any, way: str, names: Mapping[str, str] | None = None) -> Any:
    if isinstance(value, dict):
        # The rows of a backup in all, dead letters among them.
        left = VOLATILE | ({"row_count"} if "tables" in value else set())
        return {key: emptied(one, way, names) for key, one in value.items() if key not in left}
    if isinstance(value, list | tuple):
        # Streams bring rejected rows too, and REST has none.
        compared = (one for one in value if not isinstance(one, dict) or one.get("table") != "dead_letters")
        return [emptied(one, way, names) for one in compared]
    if not isinstance(value, str):
        return value
    for start in ("conf", "back"):
        value = value.replace(f"{start}-{way}", f"{start}-{{way}}")
    for name, text in (names or {}).items():
        value = value.replace(text, f"{{{name}}}")
    return value
