"""PostgreSQL as a process of the mesh."""

from __future__ import annotations

import os
from pathlib import Path

from aidatalabs_services.mesh.processes import Launching, PostgresProcess, ProcessSpec
from aidatalabs_services.mesh.readiness import ReadyCheck, postgres_answering
from aidatalabs_services.runtime.postgres_server import PostgresServer


class Database:
    """The mesh's one PostgreSQL server: `url` is known once it runs, and stays the same when it restarts."""

    def __init__(self, directory: Path, socket_directory: Path) -> None:
        self._directory = directory
        self._socket_directory = socket_directory
        self._url = ""

    @property
    def url(self) -> str:
        """The DSN services connect with. Raises RuntimeError before the first start."""
        if not self._url:
            raise RuntimeError("PostgreSQL has not been started yet")
        return self._url

    def process(self) -> ProcessSpec:
        """The server as a process of the mesh; the starter answers its environment and sockets itself."""
        return ProcessSpec(
            name="postgres",
            argv=(),
            env=dict,
            ready=self._check,
            holds_lifeline=False,
            launch=self._start,
        )

    def _check(self) -> ReadyCheck:
        return postgres_answering(self.url)

    async def _start(self, launching: Launching) -> PostgresProcess:
        # Made here, so that the log is this user's own and private.
        os.close(os.open(launching.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        server = await PostgresServer.start(self._directory, self._socket_directory, log_file=launching.log)
        self._url = server.url
        return PostgresProcess(server)
