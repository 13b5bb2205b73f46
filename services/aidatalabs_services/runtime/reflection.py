"""Reflection of the whole contract, by every name that stands in it.

The package's servicer asks a descriptor pool for the file of a symbol; Python's pool knows messages, fields,
enums and services, but neither methods nor enum values, which tools such as grpcurl ask for too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import Default
from grpc_reflection.v1alpha import reflection

SERVICE_NAME: str = reflection.SERVICE_NAME


def add_reflection(server: grpc.aio.Server, listed: Sequence[str]) -> None:
    """Lets the server tell clients its services, those in `listed`, and any descriptor of the contract."""
    reflection.enable_server_reflection(listed, server, pool=_Pool())


class _Pool:
    """The default pool, which finds a method in its service and a value in its enum."""

    def __init__(self) -> None:
        self._pool: Any = Default()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 - the pool's own name
        """The file of a symbol. Raises KeyError."""
        try:
            found: FileDescriptor = self._pool.FindFileContainingSymbol(symbol)
            return found
        except KeyError:
            return self._file_of_member(symbol)

    def _file_of_member(self, symbol: str) -> FileDescriptor:
        parent, _, member = symbol.rpartition(".")
        for find, members in (
            (self._pool.FindServiceByName, "methods_by_name"),
            (self._pool.FindEnumTypeByName, "values_by_name"),
        ):
            try:
                holder = find(parent)
            except KeyError:
                continue
            if member in getattr(holder, members):
                file: FileDescriptor = holder.file
                return file
        raise KeyError(symbol)
