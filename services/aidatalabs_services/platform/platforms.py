"""What a platform is: its state, its content and the rules for a new one and for a change."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from aidatalabs_services.platform.configs import Config, config_text, config_violations
from aidatalabs_services.runtime.errors import InvalidRequest

_PREFIX = "platforms/"
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # none that is taken for another when read aloud


class State(Enum):
    """Where a platform is in its life; the values are what the database holds."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    FAILED = "failed"
    DELETING = "deleting"
    DELETED = "deleted"


@dataclass(frozen=True)
class Platform:
    """An isolated analytics workspace.

    `id` is chosen by people and may be used again after a deletion, `uid` never is. `owner` is `users/{id}`.
    `version` counts the changes of display name and config, not those of the state. `delete_time` is when its
    deletion began, in DELETING and DELETED only; `purge_time` until when it can be brought back, in DELETED
    only, and `purge_noted` whether the data service knows that moment.
    """

    id: str
    uid: UUID
    display_name: str
    config: Config
    state: State
    owner: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    delete_time: datetime | None = None
    purge_time: datetime | None = None
    purge_noted: bool = False

    @property
    def name(self) -> str:
        """`platforms/{id}`."""
        return platform_name(self.id)

    @property
    def etag(self) -> str:
        """Differs for every version of every platform, also for one that took over an old id."""
        return hashlib.sha256(f"{self.uid}:{self.version}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Draft:
    """A platform somebody wants to have; without an id the service makes one, without a name it is the id."""

    id: str
    display_name: str
    config: Config

    def check(self) -> None:
        """Raises InvalidRequest where the config breaks its rules; the contract's own rules hold already."""
        _check_config(self.config)

    def fingerprint(self) -> bytes:
        """SHA-256 over the content as it was sent: equal for a repetition, different for any other draft."""
        text = f"{self.id}\n{self.display_name}\n{config_text(self.config)}"  # neither holds a line break
        return hashlib.sha256(text.encode()).digest()

    def describes(self, platform: Platform) -> bool:
        """True where this platform is what the draft asks for."""
        name = self.display_name or platform.id
        same_config = config_text(self.config) == config_text(platform.config)
        return self.id in ("", platform.id) and name == platform.display_name and same_config


@dataclass(frozen=True)
class Change:
    """New content for a platform; None leaves a part as it is. An empty display name means the id.

    A set `etag` is the version that the caller read.
    """

    display_name: str | None
    config: Config | None
    etag: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """What is changed, by its name in the contract."""
        both = (("display_name", self.display_name), ("config", self.config))
        return tuple(name for name, value in both if value is not None)

    def check(self) -> None:
        """Raises InvalidRequest where the config breaks its rules."""
        if self.config is not None:
            _check_config(self.config)

    def fingerprint(self, uid: UUID) -> bytes:
        """SHA-256 over the change to that platform: equal for a repetition, different for any other."""
        config = config_text(self.config) if self.config is not None else None
        text = json.dumps([str(uid), self.display_name, config, self.etag])
        return hashlib.sha256(text.encode()).digest()


def _check_config(config: Config) -> None:
    violations = config_violations(config)
    if violations:
        raise InvalidRequest(
            "The platform's config cannot be kept. Correct it and send it again.", violations=violations
        )


def platform_name(platform_id: str) -> str:
    """`platforms/{id}`."""
    return f"{_PREFIX}{platform_id}"


def platform_id_of(name: str) -> str:
    """The id in `platforms/{id}`; the contract's rules hold already."""
    return name.removeprefix(_PREFIX)


def new_platform_id() -> str:
    """An id nobody chose: `p-` and 12 random characters (60 bits)."""
    return "p-" + "".join(secrets.choice(_ALPHABET) for _ in range(12))
