"""The asynchronous client: one channel to the edge, one method for each thing people do."""

from __future__ import annotations

from aidatalabs_client.agent import AgentCalls
from aidatalabs_client.backups import BackupCalls
from aidatalabs_client.catalogue import CatalogueCalls
from aidatalabs_client.data import DataCalls
from aidatalabs_client.identity import IdentityCalls
from aidatalabs_client.monitoring import MonitoringCalls
from aidatalabs_client.platforms import PlatformCalls
from aidatalabs_client.retention import RetentionCalls
from aidatalabs_client.typed_paths import TypedPathCalls


class Client(
    AgentCalls,
    CatalogueCalls,
    DataCalls,
    RetentionCalls,
    TypedPathCalls,
    BackupCalls,
    PlatformCalls,
    IdentityCalls,
    MonitoringCalls,
):
    """Talks to one mesh with one token; use it as an async context manager.

    `address` is `host:port` of the edge, or its URL; empty: `AIDATALABS_ADDRESS`, else 127.0.0.1 and
    `AIDATALABS_PORT` or 8080.
    `token` is a text, or a function that returns one and is asked again when the mesh says that the token has
    expired; empty: `AIDATALABS_TOKEN`. `secure`, an `https://` URL or a `ca_file` (PEM, for an authority of
    your own) speak TLS.

    Every method raises `ApiError`. Calls that may be repeated without harm are repeated when a service is
    down or overloaded, after the time it names: five times at least, and for `patience_seconds` where the
    mesh answers that a service is about to be back. `timeout_seconds` is for each attempt of a plain call,
    `stream_timeout_seconds` for a whole stream, whose reader may need minutes; the mesh has its own limits.
    """
