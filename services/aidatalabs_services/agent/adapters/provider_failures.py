"""What a provider's refusal means, the same for every wire format: by HTTP status and headers alone.

The text of a provider never goes further: it may quote a key, a prompt or an address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import structlog

from aidatalabs_services.agent.models.conversation import ModelFailed, Problem

_MOST_KEY_BYTES = 8_192
_LONGEST_WAIT_SECONDS = 86_400.0


def failure_of_status(status: int, headers: Mapping[str, str]) -> ModelFailed:
    """The failure that an HTTP status stands for; nothing that was turned away is charged."""
    waits = retry_after_seconds(headers)
    structlog.get_logger().warning("a provider of models refused", status=status, retry_after_seconds=waits)
    if status in (401, 403):
        return ModelFailed(Problem.KEY_REFUSED, charged=False)
    if status == 429:
        return ModelFailed(Problem.RATE_LIMITED, retry_after_seconds=waits, charged=False)
    if status in (408, 409, 425) or status >= 500:
        # A gateway that gave up waiting cannot say whether the provider worked.
        return ModelFailed(Problem.UNAVAILABLE, retry_after_seconds=waits, charged=status == 504)
    return ModelFailed(Problem.REQUEST_REFUSED, charged=False)


def failure_of_connection(error: Exception) -> ModelFailed:
    """The failure of a connection, by what the SDK says caused it: one that was never made cost nothing."""
    cause = type(error.__cause__).__name__
    structlog.get_logger().warning("a provider of models was not reached", cause=cause)
    if "Connect" in cause:
        return ModelFailed(Problem.UNAVAILABLE, charged=False)
    return ModelFailed(Problem.CUT)


def failure_of_bytes(error: Exception) -> ModelFailed:
    """The failure of a reply that no SDK's own error describes: it broke off, or is no reply at all."""
    broken_off = type(error).__module__.partition(".")[0] in ("httpx2", "httpcore2", "ssl")
    return ModelFailed(Problem.CUT if broken_off else Problem.GARBLED)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """How long to wait, from `retry-after-ms` or `retry-after` (seconds or a date); None where not said."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if not text:
            continue
        try:
            seconds = float(text) * scale
        except ValueError:
            seconds = _until(text)
        if 0 <= seconds <= _LONGEST_WAIT_SECONDS:
            return seconds
        return _LONGEST_WAIT_SECONDS if seconds > 0 else None
    return None


def _until(text: str) -> float:
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return -1.0
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def key_from(file: Path) -> Callable[[], str]:
    """Reads a key from its file each time it is needed. Raises ModelFailed where there is none."""

    def read() -> str:
        try:
            with file.open("rb") as opened:
                key = opened.read(_MOST_KEY_BYTES).decode("ascii").strip()
        except (OSError, ValueError):
            key = ""
        if not key or not key.isprintable():
            raise ModelFailed(Problem.KEY_REFUSED, charged=False)
        return key

    return read
