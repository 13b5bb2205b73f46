"""What is known of one platform's roll-ups, and which epochs its queries may still read."""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import dataclass, field

from aidatalabs_services.data.rollups.declarations import Declaration
from aidatalabs_services.data.rollups.records import READY, Record
from aidatalabs_services.data.rollups.serving import Lease, Serving
from aidatalabs_services.runtime.errors import ServiceError


@dataclass
class Platform:
    """`building` holds the work under way by name, `fenced` what somebody here took out of use and will have
    rebuilt. `changing` is held by whoever changes records.
    """

    serving: Serving
    found: dict[str, Record] = field(default_factory=dict)
    until: float = 0.0
    building: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    failed: dict[str, ServiceError] = field(default_factory=dict)
    fenced: dict[str, Declaration] = field(default_factory=dict)
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    leases: weakref.WeakSet[Lease] = field(default_factory=weakref.WeakSet)

    def lease(self) -> Lease:
        """Keeps the epochs that count now for as long as somebody holds what is returned."""
        held = {each.target: each.progress.numbers for each in self.found.values() if each.progress}
        made = Lease(held)
        if held:
            self.leases.add(made)
        return made

    def leased(self, target: str) -> frozenset[int]:
        """The epochs of a hidden table that a query may be about to read."""
        return frozenset().union(*(each.epochs.get(target, frozenset()) for each in self.leases))

    def followed(self) -> list[Record]:
        """The asynchronous roll-ups that are in use."""
        return [
            each
            for name, each in self.found.items()
            if each.progress and each.state == READY and name not in self.building and name not in self.fenced
        ]

    def ended(self, name: str, task: asyncio.Task[None]) -> None:
        """A build is over; what it has not made ready is not there."""
        if self.building.get(name) is task:
            del self.building[name]
            held = self.found.get(name)
            if held is not None and held.state != READY:
                self.found.pop(name)
