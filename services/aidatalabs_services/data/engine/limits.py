"""The bounds of one engine process, set by its parent and kept by the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True)
class EngineLimits:
    """What one engine may use; a caller can ask for less per query (URL setting), never for more (code 452).

    Sizes in bytes, times in seconds. `max_server_memory_bytes` caps what the engine tracks; resident memory
    was seen at twice that, so plan with double. `address_space_bytes` 0 means no RLIMIT_AS.
    """

    max_execution_seconds: float = 60.0
    max_query_memory_bytes: int = GIB
    max_server_memory_bytes: int = 2 * GIB
    max_result_bytes: int = GIB
    max_running_queries: int = 16
    queue_seconds: float = 10.0
    max_connections: int = 256
    max_head_bytes: int = 256 * 1024
    max_sql_bytes: int = MIB
    max_body_bytes: int = 256 * MIB
    head_seconds: float = 10.0
    body_seconds: float = 300.0
    idle_seconds: float = 120.0
    send_seconds: float = 60.0
    stop_seconds: float = 5.0
    address_space_bytes: int = 16 * GIB
    open_files: int = 4096

    def to_json(self) -> dict[str, float]:
        """The same limits as a JSON object, for the pipe to the child."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, float]) -> EngineLimits:
        """Reads `to_json`'s object back. Raises ValueError on an unknown name."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"unknown engine limits: {', '.join(sorted(unknown))}")
        return cls(**values)  # type: ignore[arg-type]
