"""The planner's view of each platform, kept as long as the data is the same."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.ports import PlatformData

_KEPT_PLATFORMS = 64


class Catalogues:
    """Catalogues by platform uid; the least recently used ones go first.

    The data service is asked each time, with the caller's authority, but sends the schema only when it
    changed.
    """

    def __init__(self, data: PlatformData) -> None:
        self._data = data
        self._kept: OrderedDict[str, tuple[str, Catalogue]] = OrderedDict()

    async def of(self, platform: str, platform_uid: str) -> Catalogue:
        """The current catalogue of a platform."""
        data_version, catalogue = self._kept.get(platform_uid, ("", None))
        snapshot = await self._data.describe(platform, data_version)
        if snapshot is not None:
            data_version = snapshot.data_version
            versions = f"{snapshot.schema_version} {data_version}"
            version = hashlib.sha256(versions.encode()).hexdigest()[:16]
            catalogue = Catalogue(tables=snapshot.tables, version=version)
        if catalogue is None:
            raise RuntimeError("the data service sent no schema although none was known")
        # Put back, not only moved: other platforms may have pushed it out while we asked.
        self._kept[platform_uid] = (data_version, catalogue)
        self._kept.move_to_end(platform_uid)
        while len(self._kept) > _KEPT_PLATFORMS:
            self._kept.popitem(last=False)
        return catalogue
