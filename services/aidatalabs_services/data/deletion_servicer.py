"""The data service's methods about deletions: message in, domain call, message out."""

from __future__ import annotations

from typing import Any, Protocol

import grpc

from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import deletion_pb2
from aidatalabs_services.data.backups.recovery import Recovery
from aidatalabs_services.data.deletions import Deletions
from aidatalabs_services.data.messages import deletion_message
from aidatalabs_services.data.removal import PlatformRemoval
from aidatalabs_services.runtime.caller import current_caller
from aidatalabs_services.runtime.paging import page_position, page_size, page_token

Context = grpc.aio.ServicerContext[Any, Any]


class _OnPlatform(Protocol):
    @property
    def platform(self) -> str: ...


class DeletionServicer(pb_grpc.DataServiceServicer):
    """See `data_service.proto`; `DataServicer` is one of these."""

    _deletions: Deletions
    _recovery: Recovery
    _removal: PlatformRemoval

    async def DeleteRows(
        self, request: deletion_pb2.DeleteRowsRequest, context: Context
    ) -> deletion_pb2.Deletion:
        """Deletes the rows that a condition holds for."""
        deletion = await self._deletions.delete_rows(
            self._rewritten(request),
            request.platform,
            request.table,
            request.filter,
            request_id=request.request_id,
            dry_run=request.dry_run,
            max_count=request.max_count if request.HasField("max_count") else None,
        )
        return deletion_message(deletion)

    async def DeleteUserData(
        self, request: deletion_pb2.DeleteUserDataRequest, context: Context
    ) -> deletion_pb2.Deletion:
        """Deletes a person's rows from every table."""
        deletion = await self._deletions.delete_user(
            self._rewritten(request),
            request.platform,
            request.user_id,
            request_id=request.request_id,
            dry_run=request.dry_run,
        )
        return deletion_message(deletion)

    async def GetDeletion(
        self, request: deletion_pb2.GetDeletionRequest, context: Context
    ) -> deletion_pb2.Deletion:
        """One deletion."""
        return deletion_message(self._deletions.get(self._of(request), request.deletion))

    async def ListDeletions(
        self, request: deletion_pb2.ListDeletionsRequest, context: Context
    ) -> deletion_pb2.ListDeletionsResponse:
        """One page of deletions."""
        parameters = {"method": "ListDeletions", "platform": request.platform}
        position = page_position(request.page_token, parameters)
        count = page_size(request.page_size)
        before = str(position[0]) if position else None
        found = self._deletions.list(self._of(request))
        rest = [one for one in found if before is None or one.id < before]
        token = page_token((rest[count - 1].id,), parameters) if len(rest) > count else ""
        return deletion_pb2.ListDeletionsResponse(
            deletions=[deletion_message(one) for one in rest[:count]], next_page_token=token
        )

    def _of(self, request: _OnPlatform) -> str:
        """The platform that the access check let this call to: its uid, never its name."""
        uid = current_caller().platform_uid
        self._removal.check(uid, request.platform)
        return uid

    def _rewritten(self, request: _OnPlatform) -> str:
        """The same, of a platform that is not in the middle of a restore. Raises BackupBusy."""
        uid = self._of(request)
        self._recovery.check_whole(uid)
        return uid
