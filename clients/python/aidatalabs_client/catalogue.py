"""Calls about the catalogue: what agents know of the data, and what people say of it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs.agent.v1 import catalogue_pb2
from aidatalabs_client.connection import Connection


class CatalogueCalls(Connection):
    """Tables with roles, units and keys, and the synonyms, metrics and dimensions that editors define."""

    async def catalogue(
        self,
        platform: str,
        *,
        table: str = "",
        view: str = "FULL",
        page_size: int = 100,
        page_token: str = "",
    ) -> catalogue_pb2.Catalogue:
        """Returns the catalogue with one page of its tables; `view` is FULL, TABLES or DEFINITIONS."""
        request = pb.GetCatalogueRequest(
            platform=platform,
            table=table,
            view=pb.GetCatalogueRequest.View.Value(view),
            page_size=page_size,
            page_token=page_token,
        )
        return await self._call(self._agent.GetCatalogue, request)

    async def update_catalogue(
        self,
        platform: str,
        definitions: catalogue_pb2.Definitions,
        *,
        merge: bool = False,
        etag: str = "",
        request_id: str = "",
        validate_only: bool = False,
    ) -> pb.UpdateCatalogueResponse:
        """Makes these the definitions, or with `merge` those of the names in them; what changed by it.

        With the `etag` of a catalogue nobody else's change is overwritten (EtagMismatch); with
        `validate_only` nothing changes.
        """
        modes = pb.UpdateCatalogueRequest.Mode
        request = pb.UpdateCatalogueRequest(
            platform=platform,
            definitions=definitions,
            mode=modes.Value("MERGE" if merge else "REPLACE"),
            etag=etag,
            request_id=request_id or str(uuid.uuid4()),
            validate_only=validate_only,
        )
        return await self._call(self._agent.UpdateCatalogue, request)

    async def catalogue_versions(
        self, platform: str, *, page_size: int = 100
    ) -> AsyncIterator[catalogue_pb2.CatalogueVersion]:
        """Yields the versions of the definitions, the newest first: who changed what, and when."""

        def page_of(page_token: str) -> Awaitable[pb.ListCatalogueVersionsResponse]:
            request = pb.ListCatalogueVersionsRequest(
                platform=platform, page_size=page_size, page_token=page_token
            )
            return self._call(self._agent.ListCatalogueVersions, request)

        async for page in self._pages(page_of):
            for version in page.versions:
                yield version

    async def restore_catalogue_version(
        self,
        platform: str,
        version: int,
        *,
        etag: str = "",
        request_id: str = "",
        validate_only: bool = False,
    ) -> pb.UpdateCatalogueResponse:
        """Makes the definitions what they were in a version, 0 being before anything was defined."""
        request = pb.RestoreCatalogueVersionRequest(
            platform=platform,
            version=version,
            etag=etag,
            request_id=request_id or str(uuid.uuid4()),
            validate_only=validate_only,
        )
        return await self._call(self._agent.RestoreCatalogueVersion, request)
