"""Pages of a list: how many entries, and an opaque token that says where the next page begins.

A token carries the position (the sort key of the last entry sent) and a checksum over the position and the
other parameters of the list. A token of another list, another filter or another order is refused. It is no
secret and grants nothing: every page is read with the caller's own rights.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest, PageTokenInvalid

DEFAULT_PAGE_SIZE = 100
LARGEST_PAGE_SIZE = 1000
_TOKEN_CHARACTERS = 2048
_CHECKSUM_CHARACTERS = 16
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")

Position = tuple[str | int, ...]


def page_size(requested: int) -> int:
    """Entries of a page: 100 for 0, at most 1,000 (AIP-158). Raises InvalidRequest below 0."""
    if requested < 0:
        raise InvalidRequest(
            "page_size must not be negative. Leave it out for the default of 100.",
            violations=[FieldViolation("page_size", "must be at least 0")],
        )
    return min(requested, LARGEST_PAGE_SIZE) or DEFAULT_PAGE_SIZE


def page_token(position: Sequence[str | int], parameters: Mapping[str, str]) -> str:
    """The token for the entries after `position`; `parameters` are filter, order, platform and the like."""
    text = json.dumps(list(position), ensure_ascii=False, separators=(",", ":"))
    packed = (_checksum(text, parameters) + text).encode()
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def page_position(token: str, parameters: Mapping[str, str]) -> Position | None:
    """The position in a token, None for the first page (no token).

    Raises PageTokenInvalid for anything not made by `page_token` with the same parameters.
    """
    if not token:
        return None
    try:
        if len(token) > _TOKEN_CHARACTERS:
            raise ValueError
        raw = token.encode("ascii")
        packed = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True).decode()
        checksum, text = packed[:_CHECKSUM_CHARACTERS], packed[_CHECKSUM_CHARACTERS:]
        if checksum != _checksum(text, parameters):
            raise ValueError
        position = json.loads(text)
        if not isinstance(position, list) or not position or not all(map(_is_part, position)):
            raise ValueError  # the checksum is no secret: anybody can make a token
    except (ValueError, binascii.Error, RecursionError):
        raise PageTokenInvalid(
            "page_token does not belong to this list with these parameters. Leave it out to start again."
        ) from None
    return tuple(position)


def _is_part(value: object) -> bool:
    """What a database can compare with: a text without odd characters, or a number of 64 bits."""
    if isinstance(value, str):
        return _NO_TEXT.search(value) is None
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _checksum(text: str, parameters: Mapping[str, str]) -> str:
    whole = json.dumps([text, sorted(parameters.items())], ensure_ascii=False)
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:_CHECKSUM_CHARACTERS]
