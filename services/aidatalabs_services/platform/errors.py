"""The platform service's refusals, beside the shared ones of `runtime.errors`."""

from __future__ import annotations

from datetime import UTC, datetime

from aidatalabs_services.runtime.errors import IdempotencyMismatch, ServiceError, StatusCode


class PlatformAlreadyExists(ServiceError):
    """The id is taken."""

    code = StatusCode.ALREADY_EXISTS
    reason = "PLATFORM_ALREADY_EXISTS"


class EtagMismatch(ServiceError):
    """The platform was changed since the caller read it."""

    code = StatusCode.ABORTED
    reason = "ETAG_MISMATCH"


class PlatformNotActive(ServiceError):
    """The platform is being made, could not be made, or is being deleted; `metadata` has its state."""

    code = StatusCode.FAILED_PRECONDITION
    reason = "PLATFORM_NOT_ACTIVE"


class PlatformDeleted(ServiceError):
    """The id is that of a deleted platform that can be brought back; `metadata` has until when."""

    code = StatusCode.ALREADY_EXISTS
    reason = "PLATFORM_DELETED"


class UserNotFound(ServiceError):
    """Nobody of the mesh has that e-mail or id; `metadata` has it as it was sent."""

    code = StatusCode.NOT_FOUND
    reason = "USER_NOT_FOUND"


_INSTEAD = {
    "PROVISIONING": "It is still being made. Try again when its state is ACTIVE.",
    "FAILED": "It could not be made. Create it again with the same request to finish it, or delete it.",
    "DELETED": "It was deleted. Bring it back, or choose another platform.",
    "DELETING": "It is being deleted and takes no data, questions or changes any more.",
}


def already_exists(name: str) -> PlatformAlreadyExists:
    """The refusal for `platforms/{id}`, the same whoever owns it."""
    return PlatformAlreadyExists(
        "A platform of this id exists. Choose another platform_id, or leave it out to be given one.",
        metadata={"platform": name},
    )


def is_deleted(name: str, purge_time: datetime) -> PlatformDeleted:
    """The refusal of a new platform under the id of a deleted one that can be brought back."""
    moment = purge_time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return PlatformDeleted(
        f"A platform of this id was deleted and keeps the id until {moment}. An admin of it can bring it "
        "back (UndeletePlatform) or remove it now (DeletePlatform with purge). Or choose another id.",
        metadata={"platform": name, "purge_time": moment},
    )


def etag_mismatch(name: str) -> EtagMismatch:
    """The refusal of a change to `platforms/{id}` that was made on an older version."""
    return EtagMismatch(
        "The platform was changed since you read it. Read it again and repeat your change on that.",
        metadata={"platform": name},
    )


def not_active(name: str, state: str) -> PlatformNotActive:
    """The refusal for `platforms/{id}` in a state other than ACTIVE, spelt as in the contract."""
    return PlatformNotActive(
        f"The platform is not active. {_INSTEAD[state]}", metadata={"platform": name, "state": state}
    )


def user_not_found(member: str) -> UserNotFound:
    """The refusal for an e-mail or `users/{id}` that belongs to nobody."""
    return UserNotFound(
        f"Nobody of this mesh is {member!r}. A user is there once they have signed in or were given a token; "
        "check the spelling, or ask a mesh admin to add them.",
        metadata={"member": member},
    )


def other_content(request_id: str) -> IdempotencyMismatch:
    """The refusal of a request id that was used with other content."""
    return IdempotencyMismatch(
        "This request_id was used before with other content. Send a new request_id.",
        metadata={"repeated_request_id": request_id},
    )
