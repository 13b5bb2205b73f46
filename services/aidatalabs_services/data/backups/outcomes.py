"""How work on backups ended, in words: for callers, and for the log."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from aidatalabs_services.runtime.errors import ServiceError, StatusCode

_LOG = logging.getLogger(__name__)
INTERRUPTED = "The service was stopped before it was done. Begin another."
NOT_VERIFIED = "The service was stopped before every file was read. Verify it again."
UNFORESEEN = "It failed in an unforeseen way; the log of the data service has more."
# The engine was stopped, or has no place yet.
_PASSING = (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.RESOURCE_EXHAUSTED)


def passes(error: Exception) -> bool:
    """Whether a failure may pass by itself, so that it is worth another try."""
    return isinstance(error, TimeoutError) or (isinstance(error, ServiceError) and error.code in _PASSING)


def why(error: Exception) -> str:
    """What is told about a failure, in our own words."""
    if isinstance(error, ServiceError):
        return error.message
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "The disk has no room for it. Make room, or delete older backups, and call again."
    if isinstance(error, TimeoutError):
        return "The engine did not answer in time. Try again."
    return "The files could not be read or written. The log of the data service has more."


def told(error: Exception) -> str:
    """What the log says about a failure: for whoever runs the service."""
    reason = error.reason if isinstance(error, ServiceError) else str(error)
    return f"{type(error).__name__}: {reason}"


@contextmanager
def logged(what: str) -> Iterator[None]:
    """Files that cannot be removed hinder nothing else."""
    try:
        yield
    except OSError as error:
        _LOG.warning("%s: %s", what, error)
