"""Calls about data that goes: deletions with their evidence, dropped tables, how long rows are kept."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import deletion_pb2, table_pb2
from aidatalabs_client.connection import Connection


class RetentionCalls(Connection):
    """What can be done about data that is to go, or to come back."""

    async def delete_rows(
        self,
        platform: str,
        table: str,
        condition: str,
        *,
        max_count: int | None = None,
        dry_run: bool = False,
        request_id: str = "",
    ) -> deletion_pb2.Deletion:
        """Deletes the rows that `condition` holds for, as after WHERE, and returns the evidence.

        With more than `max_count` matching rows nothing is deleted (DeletionTooLarge). A deletion that takes
        longer than the call is returned as RUNNING: ask `get_deletion` for its end.
        """
        request = deletion_pb2.DeleteRowsRequest(
            platform=platform,
            table=table,
            filter=condition,
            request_id=request_id or str(uuid.uuid4()),
            dry_run=dry_run,
            max_count=max_count,
        )
        return await self._call(self._data.DeleteRows, request)

    async def delete_user_data(
        self, platform: str, user_id: str, *, dry_run: bool = False, request_id: str = ""
    ) -> deletion_pb2.Deletion:
        """Deletes a person's rows from every table with a `user_id` column, and returns the evidence."""
        request = deletion_pb2.DeleteUserDataRequest(
            platform=platform,
            user_id=user_id,
            request_id=request_id or str(uuid.uuid4()),
            dry_run=dry_run,
        )
        return await self._call(self._data.DeleteUserData, request)

    async def get_deletion(self, platform: str, deletion: str) -> deletion_pb2.Deletion:
        """Returns one deletion, by its name `platforms/{id}/deletions/{deletion}` or the last part of it."""
        request = deletion_pb2.GetDeletionRequest(platform=platform, deletion=deletion.rpartition("/")[2])
        return await self._call(self._data.GetDeletion, request)

    async def deletions(
        self, platform: str, *, page_size: int = 1000
    ) -> AsyncIterator[deletion_pb2.Deletion]:
        """Yields the platform's deletions page by page, the latest first."""

        def page_of(page_token: str) -> Any:
            request = deletion_pb2.ListDeletionsRequest(
                platform=platform, page_size=page_size, page_token=page_token
            )
            return self._call(self._data.ListDeletions, request)

        async for page in self._pages(page_of):
            for deletion in page.deletions:
                yield deletion

    async def list_deletions(self, platform: str) -> Sequence[deletion_pb2.Deletion]:
        """Returns every deletion of the platform, the latest first."""
        return [deletion async for deletion in self.deletions(platform)]

    async def undrop_table(self, platform: str, table: str) -> table_pb2.Table:
        """Brings back the table of this name that was dropped last, with its rows."""
        request = pb.UndropTableRequest(platform=platform, table=table)
        return await self._call(self._data.UndropTable, request)

    async def update_table(
        self, platform: str, table: str, *, ttl: str | None = None, comment: str | None = None
    ) -> table_pb2.Table:
        """Changes how long rows are kept (`day + INTERVAL 90 DAY`, empty: for good) and the comment.

        What is None stays as it is.
        """
        request = pb.UpdateTableRequest(platform=platform, table=table, ttl=ttl or "", comment=comment or "")
        paths = [name for name, value in (("ttl", ttl), ("comment", comment)) if value is not None]
        request.update_mask.paths.extend(paths)
        return await self._call(self._data.UpdateTable, request)
