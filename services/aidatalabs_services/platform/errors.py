"""The platform service's refusals, beside the shared ones of `runtime.errors`."""

from __future__ import annotations

from aidatalabs_services.runtime.errors import ServiceError, StatusCode


class PlatformAlreadyExists(ServiceError):
    """The id is taken."""

    code = StatusCode.ALREADY_EXISTS
    reason = "PLATFORM_ALREADY_EXISTS"


def already_exists(name: str) -> PlatformAlreadyExists:
    """The refusal for `platforms/{id}`, the same whoever owns it."""
    return PlatformAlreadyExists(
        "A platform of this id exists. Choose another platform_id, or leave it out to be given one.",
        metadata={"platform": name},
    )
