"""Calls about the typed paths of JSON columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aidatalabs.data.v1 import typed_path_pb2
from aidatalabs_client.connection import Connection


class TypedPathCalls(Connection):
    """Paths of a JSON column: which are worth a type, and how they get one."""

    async def suggest_paths(
        self, platform: str, table: str, column: str = "properties"
    ) -> typed_path_pb2.SuggestPathsResponse:
        """Returns the paths of a JSON column with what was seen at each, the type to declare, and why."""
        request = typed_path_pb2.SuggestPathsRequest(platform=platform, table=table, column=column)
        return await self._call(self._data.SuggestPaths, request)

    async def type_paths(
        self,
        platform: str,
        table: str,
        types: Mapping[str, str] | None = None,
        *,
        untype: Sequence[str] = (),
        column: str = "properties",
        validate_only: bool = False,
        allow_retyping: bool = False,
    ) -> typed_path_pb2.TypePathsResponse:
        """Declares paths (`{"cart.total": "Float64"}`) and takes back the declarations of `untype`.

        Nothing changes where a value does not fit (PathValuesMisfit) or would get another dynamic type
        (PathValuesRetyped, unless `allow_retyping`); with `validate_only` the plan is returned instead.
        """
        request = typed_path_pb2.TypePathsRequest(
            platform=platform,
            table=table,
            column=column,
            paths=[typed_path_pb2.TypedPath(path=path, type=kind) for path, kind in (types or {}).items()],
            untyped_paths=untype,
            validate_only=validate_only,
            allow_retyping=allow_retyping,
        )
        return await self._call(self._data.TypePaths, request)
