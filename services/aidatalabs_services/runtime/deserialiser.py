"""From bytes to a message inside the interceptors, so that bad bytes are an ordinary refusal.

gRPC's own deserialiser runs before any interceptor and answers UNKNOWN for bytes that are no message. Ours
runs after the caller is known, checks the method's size limit first, and answers MALFORMED_MESSAGE.
"""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import DecodeError, Message

from aidatalabs_services.runtime.errors import MalformedMessage, RequestTooLarge

Deserializer = Callable[[bytes], Message]


def decode(deserializer: Deserializer, data: bytes, limit_bytes: int) -> Message:
    """The message in `data`. Raises RequestTooLarge or MalformedMessage (bad UTF-8, too deep, …)."""
    if len(data) > limit_bytes:
        raise RequestTooLarge(
            f"The message has {len(data)} bytes; this method takes {limit_bytes}. Send it in smaller parts.",
            metadata={"limit_bytes": str(limit_bytes)},
        )
    try:
        return deserializer(data)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedMessage(
            "The bytes are not a message of this method's request type. Compare them with the contract."
        ) from None
