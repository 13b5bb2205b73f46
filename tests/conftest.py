"""How the tests are shared out when several processes run them, as `make test` does."""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadScopeScheduling

# Folders whose tests share one costly thing, a mesh with the demo, an engine, SDKs of models: one process
# runs each.
SHARED_FOLDERS = ("tests/e2e", "tests/unit/planner", "tests/rpc/agent")
# What takes longest begins first, so that no process is left alone with it at the end.
LONGEST_FOLDERS = ("tests/e2e", "tests/mesh", "tests/rpc/agent")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST_FOLDERS))


class FilesTogether(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a process whole files, and whole folders where their tests share something.

    The plugin's own groups (`--dist loadgroup`) are of no effect under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.rpartition("/")[0]
        return folder if folder in SHARED_FOLDERS else file


@pytest.hookimpl(optionalhook=True)  # a run may leave the plugin out
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FilesTogether:
    return FilesTogether(config, log)
