"""The engine's errors as ClickHouse reports them: a code, a symbolic name, an HTTP status."""

from __future__ import annotations

import re

_CODE = re.compile(r"Code: (\d+)\. DB::Exception: ")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)\s*$")
_VERSION = re.compile(r" \(version [^)]*\)\.?")

# Codes of ClickHouse's ErrorCodes.cpp that this server raises itself.
BAD_ARGUMENTS = (36, "BAD_ARGUMENTS")
CANNOT_READ_ALL_DATA = (33, "CANNOT_READ_ALL_DATA")
NOT_IMPLEMENTED = (48, "NOT_IMPLEMENTED")
SYNTAX_ERROR = (62, "SYNTAX_ERROR")
TIMEOUT_EXCEEDED = (159, "TIMEOUT_EXCEEDED")
TOO_MANY_QUERIES = (202, "TOO_MANY_SIMULTANEOUS_QUERIES")
NETWORK_ERROR = (210, "NETWORK_ERROR")
SAME_QUERY_ID = (216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING")
CANNOT_DECOMPRESS = (271, "CANNOT_DECOMPRESS")
SUPPORT_IS_DISABLED = (344, "SUPPORT_IS_DISABLED")
OUTFILE_NOT_ALLOWED = (358, "INTO_OUTFILE_NOT_ALLOWED")
QUERY_CANCELLED = (394, "QUERY_WAS_CANCELLED")
TOO_LARGE = (307, "TOO_MANY_BYTES")
ACCESS_DENIED = (497, "ACCESS_DENIED")
AUTHENTICATION_FAILED = (516, "AUTHENTICATION_FAILED")
UNKNOWN_EXCEPTION = (1002, "UNKNOWN_EXCEPTION")

_STATUS_BY_CODE = {
    **dict.fromkeys((33, 36, 38, 41, 42, 43, 44, 53, 62, 72, 115, 271, 386, 456, 457, 510), 400),
    **dict.fromkeys((164, 358, 452, 497, 516), 403),
    **dict.fromkeys((16, 46, 47, 60, 81), 404),
    159: 408,
    48: 501,
    344: 501,
}


class EngineFault(Exception):
    """A request the engine answers with an error; `message` is one line in ClickHouse's manner."""

    def __init__(self, kind: tuple[int, str], message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.code, self.name = kind
        self.message = message
        self.status = status or _STATUS_BY_CODE.get(self.code, 500)

    def body(self, version: str) -> bytes:
        """The text of the answer, with the trailer clients take the symbolic name from."""
        text = f"Code: {self.code}. DB::Exception: {self.message}. ({self.name}) (version {version})\n"
        return text.encode("utf-8", "replace")


def fault_of(error: Exception) -> EngineFault:
    """Reads code, name and message out of the text of a chdb exception.

    Some errors come wrapped twice; the innermost code is the one that happened.
    """
    text = str(error).strip()
    codes = _CODE.findall(text)
    name = _NAME.search(text)
    if not codes:
        return EngineFault(UNKNOWN_EXCEPTION, "The engine failed without a code")
    message = _VERSION.sub("", _CODE.sub("", text))
    if name:
        suffix = f"({name.group(1)})"
        message = message.replace(suffix, "")
    return EngineFault(
        (int(codes[-1]), name.group(1) if name else "UNKNOWN_EXCEPTION"), message.strip().rstrip(".").rstrip()
    )
