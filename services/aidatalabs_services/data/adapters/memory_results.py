"""Results kept in this process: bounded in bytes, the least used go first, a platform takes at most half."""

from __future__ import annotations

import time
from collections import OrderedDict

from aidatalabs_services.data.ports import StoredResult

# What a result takes beside its rows: its key, its figures, its places in two lists.
_OVERHEAD_BYTES = 500
_KEPT_PLATFORMS = 10_000


class MemoryResults:
    """See `ports.ResultCache`.

    It holds `most_bytes`, of one platform at most half of them, of one result at most `entry_bytes`.
    """

    def __init__(self, most_bytes: int, entry_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._platform_bytes = most_bytes // 2
        self._entry_bytes = min(entry_bytes, self._platform_bytes)
        self._results: OrderedDict[tuple[str, str], StoredResult] = OrderedDict()
        self._of: dict[str, OrderedDict[str, None]] = {}
        self._bytes_of: dict[str, int] = {}
        self._forgotten: OrderedDict[str, float] = OrderedDict()
        self.size_bytes = 0
        """Bytes held now."""

    def __len__(self) -> int:
        return len(self._results)

    async def get(self, uid: str, key: str) -> StoredResult | None:
        """See ResultCache."""
        result = self._results.get((uid, key))
        if result is not None:
            self._results.move_to_end((uid, key))
            self._of[uid].move_to_end(key)
        return result

    async def put(self, uid: str, key: str, result: StoredResult) -> None:
        """See ResultCache."""
        if result.read_time <= self._forgotten.get(uid, 0.0):
            return  # its rows may be among those that were to be forgotten
        self._drop(uid, key)
        size = _size(result)
        if size > self._entry_bytes:
            return
        while self._bytes_of.get(uid, 0) + size > self._platform_bytes:
            self._drop(uid, next(iter(self._of[uid])))
        while self.size_bytes + size > self._most_bytes:
            self._drop(*next(iter(self._results)))
        self._results[uid, key] = result
        self._of.setdefault(uid, OrderedDict())[key] = None
        self._count(uid, size)

    async def confirm(self, uid: str, key: str, result: StoredResult) -> None:
        """See ResultCache."""
        kept = self._results.get((uid, key))
        # Not where another result has taken the place meanwhile.
        if kept is not None and kept.payload is result.payload:
            self._results[uid, key] = result

    async def forget(self, uid: str) -> None:
        """See ResultCache."""
        self._forgotten[uid] = time.time()
        self._forgotten.move_to_end(uid)
        while len(self._forgotten) > _KEPT_PLATFORMS:
            self._forgotten.popitem(last=False)
        for key in list(self._of.get(uid, ())):
            self._drop(uid, key)

    async def close(self) -> None:
        """See ResultCache."""

    def _drop(self, uid: str, key: str) -> None:
        result = self._results.pop((uid, key), None)
        if result is None:
            return
        del self._of[uid][key]
        self._count(uid, -_size(result))
        if not self._of[uid]:
            del self._of[uid], self._bytes_of[uid]

    def _count(self, uid: str, size: int) -> None:
        self.size_bytes += size
        self._bytes_of[uid] = self._bytes_of.get(uid, 0) + size


def _size(result: StoredResult) -> int:
    return len(result.payload) + _OVERHEAD_BYTES
