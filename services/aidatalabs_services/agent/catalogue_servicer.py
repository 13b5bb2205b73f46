"""The catalogue's requests: translated, handed on, and their answers put into pages."""

from __future__ import annotations

import asyncio
import hashlib

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs.agent.v1 import catalogue_pb2
from aidatalabs_services.agent.catalogue_messages import (
    changed_message,
    definitions_message,
    definitions_of,
    stale_messages,
    table_message,
    versions_message,
)
from aidatalabs_services.agent.catalogues import Catalogues
from aidatalabs_services.agent.conversations import Owner
from aidatalabs_services.agent.definition_versions import DefinitionVersions, Request, etag_of, text_of
from aidatalabs_services.agent.planner.planner import index_of
from aidatalabs_services.runtime.paging import page_position, page_size, page_token

_View = pb.GetCatalogueRequest


class CatalogueRequests:
    """Translates between the contract, the catalogues and the versions of definitions."""

    def __init__(self, catalogues: Catalogues, definitions: DefinitionVersions) -> None:
        self._catalogues = catalogues
        self._definitions = definitions

    async def shown(self, request: pb.GetCatalogueRequest, owner: Owner) -> catalogue_pb2.Catalogue:
        """The catalogue as it is now, one page of its tables."""
        known = await self._catalogues.known(request.platform, owner.platform_uid)
        catalogue, said = known.catalogue, known.said
        answer = catalogue_pb2.Catalogue(
            catalogue_version=catalogue.version,
            definitions_version=said.version,
            etag=etag_of(owner.platform_uid, said.version),
            definitions=definitions_message(said.definitions),
            stale=stale_messages(known.stale),
            table_count=len(catalogue.tables),
        )
        if request.view == _View.DEFINITIONS:
            return answer
        most = page_size(request.page_size)
        # A page of another catalogue would leave tables out or show them twice.
        parameters = {
            "platform": owner.platform_uid,
            "version": catalogue.version,
            "table": request.table,
            "view": str(request.view),
        }
        position = page_position(request.page_token, parameters)
        after = str(position[0]) if position else ""
        tables = sorted(catalogue.tables, key=lambda table: table.name)
        wanted = [t for t in tables if t.name > after and request.table in ("", t.name)]
        index = await asyncio.to_thread(index_of, catalogue)
        columns = request.view != _View.TABLES
        answer.tables.extend(table_message(table, index, columns=columns) for table in wanted[:most])
        if len(wanted) > most:
            answer.next_page_token = page_token((wanted[most - 1].name,), parameters)
        return answer

    async def updated(self, request: pb.UpdateCatalogueRequest, owner: Owner) -> pb.UpdateCatalogueResponse:
        """Makes definitions what the request says."""
        given, merge = definitions_of(request.definitions), request.mode == pb.UpdateCatalogueRequest.MERGE
        catalogue = await self._catalogues.of(request.platform, owner.platform_uid)
        content = f"{'merge' if merge else 'replace'} {request.etag} {text_of(given)}"
        asked = _asked(request, content)
        changed = await self._definitions.update(owner, given, catalogue, asked, merge=merge)
        return changed_message(changed, owner.platform_uid)

    async def restored(
        self, request: pb.RestoreCatalogueVersionRequest, owner: Owner
    ) -> pb.UpdateCatalogueResponse:
        """Makes definitions what they were."""
        catalogue = await self._catalogues.of(request.platform, owner.platform_uid)
        asked = _asked(request, f"restore {request.etag} {request.version}")
        changed = await self._definitions.restore(owner, request.version, catalogue, asked)
        return changed_message(changed, owner.platform_uid)

    async def versions(
        self, request: pb.ListCatalogueVersionsRequest, owner: Owner
    ) -> pb.ListCatalogueVersionsResponse:
        """One page of versions, the newest first."""
        most = page_size(request.page_size)
        parameters = {"platform": owner.platform_uid, "list": "versions"}
        position = page_position(request.page_token, parameters)
        before = position[0] if position and isinstance(position[0], int) else None
        found = await self._definitions.page(owner.platform_uid, most + 1, before)
        token = page_token((found[most - 1].version,), parameters) if len(found) > most else ""
        return versions_message(found[:most], token)


def _asked(request: pb.UpdateCatalogueRequest | pb.RestoreCatalogueVersionRequest, content: str) -> Request:
    digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
    return Request(request.etag, request.request_id, digest, request.validate_only)
