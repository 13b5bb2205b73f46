"""Which platforms a list holds, in which order, and where its next page begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aidatalabs_services.platform.platforms import Platform
from aidatalabs_services.runtime.errors import PageTokenInvalid

ORDERS = ("name", "display_name", "create_time", "update_time")
_TIMES = ("create_time", "update_time")

Position = tuple[str | int, ...]


class Comparison(Protocol):
    """One condition of a filter: a field of the platform, an operator of AIP-160, and a value."""

    @property
    def field(self) -> str:
        """`name`, `display_name`, `state`, `owner`, `create_time` or `update_time`."""

    @property
    def operator(self) -> str:
        """`=`, `!=`, `<`, `>` or `:` (has)."""

    @property
    def value(self) -> str | datetime:
        """A moment for the two times, the contract's word for `state`, else a text."""


@dataclass(frozen=True)
class After:
    """The last platform of the page before: its sort value and its id."""

    value: str | datetime
    platform_id: str


@dataclass(frozen=True)
class Listing:
    """All conditions must hold; platforms with equal values of the sort field stand in order of their ids.

    `deleted`: with the deleted ones that can be brought back, of which the caller is an admin.
    """

    conditions: Sequence[Comparison] = ()
    order: str = "name"
    descending: bool = False
    deleted: bool = False

    def position(self, platform: Platform) -> Position:
        """Where a page that ends with this platform ends: its sort value and its id."""
        value = platform.id if self.order == "name" else getattr(platform, self.order)
        return (value.isoformat() if isinstance(value, datetime) else value, platform.id)

    def after(self, position: Position | None) -> After | None:
        """The place that a position means. Raises PageTokenInvalid for one that was never given out."""
        if position is None:
            return None
        if len(position) != 2 or not isinstance(position[0], str) or not isinstance(position[1], str):
            raise _no_position()
        if self.order not in _TIMES:
            return After(position[0], position[1])
        try:
            moment = datetime.fromisoformat(position[0])
        except ValueError:
            raise _no_position() from None
        if moment.tzinfo is None:
            raise _no_position()
        return After(moment, position[1])


def _no_position() -> PageTokenInvalid:
    return PageTokenInvalid(
        "page_token does not belong to this list with these parameters. Leave it out to start again."
    )
