"""Why one value is not taken."""

from __future__ import annotations


class ValueRefused(Exception):
    """The value does not fit; the text continues "column x …". `reason` is the verdict's reason."""

    def __init__(self, message: str, reason: str = "VALUE_INVALID") -> None:
        super().__init__(message)
        self.reason = reason
