"""Cases of the conformance of transports: what one is, those about roll-ups, those about data that goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

OURS = "platforms/conf-{way}"
SHOP = {"platform": OURS}


@dataclass(frozen=True)
class Case:
    """One method: a call that is answered, and one that is refused with this reason.

    `{way}` in a text is the transport, so that each changes things of its own. `refused_as` is the caller of
    the second call: the admin, a stranger, or nobody.
    """

    method: str
    answered: Mapping[str, Any]
    refused: Mapping[str, Any]
    reason: str
    refused_as: str = "admin"


PICTURE_CASES = (
    Case(
        "agent.v1.AgentService/DrawAnswer",
        SHOP | {"question": "how many boxes are there?", "format": "SVG"},
        SHOP | {"question": "list boxes", "format": "SVG"},
        "CHART_NOT_AVAILABLE",
    ),
    Case(
        "agent.v1.AgentService/Optimize",
        SHOP | {"sql": "SELECT id FROM boxes ORDER BY id"},
        SHOP | {"sql": "DROP TABLE boxes"},
        "QUERY_NOT_READ_ONLY",
    ),
)
ROLLUP_CASES = (
    Case(
        "data.v1.DataService/CreateRollup",
        SHOP
        | {
            "rollup": {
                "name": "views_by_day",
                "table": "events",
                "time_column": "timestamp",
                "grain": "DAY",
                "dimensions": ["event_type"],
                "measures": [{"column": "value", "kind": "MAX"}],
                "maintenance": "ASYNCHRONOUS",
            }
        },
        SHOP | {"rollup": {"name": "x", "table": "events", "time_column": "user_id", "grain": "DAY"}},
        "ROLLUP_INVALID",
    ),
    Case("data.v1.DataService/ListRollups", SHOP, SHOP, "PLATFORM_NOT_FOUND", "stranger"),
    Case(
        "data.v1.DataService/GetRollup",
        SHOP | {"rollup": "views_by_day"},
        SHOP | {"rollup": "nothing"},
        "ROLLUP_NOT_FOUND",
    ),
    Case(
        "data.v1.DataService/DropRollup",
        SHOP | {"rollup": "views_by_day"},
        SHOP | {"rollup": "events_by_day"},
        "ROLLUP_PROTECTED",
    ),
)

RETENTION_CASES = (
    Case(
        "data.v1.DataService/UpdateTable",
        SHOP | {"table": "boxes", "comment": "of all sizes", "update_mask": "comment"},
        SHOP | {"table": "events", "comment": "mine", "update_mask": "comment"},
        "TABLE_PROTECTED",
    ),
    Case(
        "data.v1.DataService/DropTable",
        SHOP | {"table": "boxes"},
        SHOP | {"table": "events"},
        "TABLE_PROTECTED",
    ),
    Case(
        "data.v1.DataService/UndropTable",
        SHOP | {"table": "boxes"},
        SHOP | {"table": "events"},
        "TABLE_ALREADY_EXISTS",
    ),
    Case(
        "data.v1.DataService/DeleteRows",
        SHOP | {"table": "boxes", "filter": "id = 1", "max_count": 1, "request_id": "d-1"},
        SHOP | {"table": "boxes", "filter": "id > 0", "max_count": 0},
        "DELETION_TOO_LARGE",
    ),
    Case(
        "data.v1.DataService/DeleteUserData",
        SHOP | {"user_id": "42", "dry_run": True},
        SHOP | {"user_id": "0"},
        "INVALID_REQUEST",
    ),
    Case(
        "data.v1.DataService/GetDeletion",
        SHOP | {"deletion": "{deletion}"},
        SHOP | {"deletion": "0"},
        "DELETION_NOT_FOUND",
    ),
    Case("data.v1.DataService/ListDeletions", SHOP, SHOP, "PLATFORM_NOT_FOUND", "stranger"),
)
"""They begin with the table `boxes` of two rows and end with one row in it."""

PATH_CASES = (
    Case(
        "data.v1.DataService/SuggestPaths",
        SHOP | {"table": "events", "column": "properties"},
        SHOP | {"table": "boxes", "column": "id"},
        "TABLE_INVALID",
    ),
    Case(
        "data.v1.DataService/TypePaths",
        SHOP
        | {
            "table": "events",
            "column": "properties",
            "paths": [{"path": "cart.total", "type": "Float64"}],
            "untyped_paths": ["none"],
            "validate_only": False,
            "allow_retyping": True,
        },
        SHOP | {"table": "events", "column": "none", "paths": [{"path": "a", "type": "Int64"}]},
        "COLUMN_NOT_KNOWN",
    ),
)
"""Typed paths of the standard table, which no other case brings values for."""
BACKUP_CASES = (
    Case(
        "data.v1.DataService/CreateBackup",
        SHOP | {"request_id": "b-1"},
        SHOP,
        "PLATFORM_NOT_FOUND",
        "stranger",
    ),
    Case(
        "data.v1.DataService/GetBackup",
        SHOP | {"backup": "{backup}"},
        SHOP | {"backup": "0"},
        "BACKUP_NOT_FOUND",
    ),
    Case("data.v1.DataService/ListBackups", SHOP, SHOP | {"page_token": "x"}, "PAGE_TOKEN_INVALID"),
    Case(
        "data.v1.DataService/VerifyBackup",
        SHOP | {"backup": "{backup}"},
        SHOP | {"backup": "0"},
        "BACKUP_NOT_FOUND",
    ),
    Case(
        "data.v1.DataService/DrillBackup",
        SHOP | {"request_id": "r-1"},
        SHOP,
        "PLATFORM_NOT_FOUND",
        "stranger",
    ),
    Case(
        "data.v1.DataService/GetRestore",
        SHOP | {"restore": "{restore}"},
        SHOP | {"restore": "0"},
        "BACKUP_NOT_FOUND",
    ),
    Case("data.v1.DataService/ListRestores", SHOP, SHOP | {"page_token": "x"}, "PAGE_TOKEN_INVALID"),
    Case(
        "data.v1.DataService/RestoreBackup",
        {"platform": "platforms/back-{way}", "key": "{key}"},
        SHOP | {"key": "{key}"},
        "RESTORE_TARGET_NOT_EMPTY",
    ),
    Case(
        "data.v1.DataService/DeleteBackup",
        SHOP | {"backup": "{backup}"},
        SHOP | {"backup": "0"},
        "BACKUP_NOT_FOUND",
    ),
)
"""They begin with rows in `events` and end without a backup; `platforms/back-{way}` is made for them."""


def made_by(path: str, answer: Any) -> dict[str, str]:
    """What later cases call by `{conversation}`, `{lesson}`, `{deletion}`, `{backup}` and so on."""
    method = path.rpartition("/")[2]
    if path == "/aidatalabs.agent.v1.AgentService/Query":
        return {"conversation": answer[0].conversation}
    if path == "/aidatalabs.agent.v1.AgentService/GiveFeedback":
        return {"lesson": answer[0].lesson.name}
    if path == "/aidatalabs.agent.v1.AgentService/StreamAnswer":
        return {"streamed": next(event.data.conversation for event in answer if event.data.conversation)}
    kinds = {
        "DeleteRows": "deletion",
        "CreateBackup": "backup",
        "DrillBackup": "restore",
        "RestoreBackup": "restored",
    }
    if method not in kinds:
        return {}
    made = {kinds[method]: answer[0].name.rpartition("/")[2]}
    return made | ({"key": answer[0].key} if method == "CreateBackup" else {})


def settled(path: str, answer: Any, ask: Callable[[str, dict[str, Any]], Any]) -> None:
    """Waits until work on a backup that a call began is over; `ask` makes one call by its path and fields."""
    method = path.rpartition("/")[2]
    if method not in ("CreateBackup", "VerifyBackup", "DrillBackup", "RestoreBackup"):
        return
    kind = "backup" if method in ("CreateBackup", "VerifyBackup") else "restore"
    platform, _, name = answer[0].name.rpartition(f"/{kind}s/")
    asked = f"/aidatalabs.data.v1.DataService/Get{kind.title()}"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = ask(asked, {"platform": platform, kind: name})
        if "RUNNING" not in str(found):
            assert "FAILED" not in str(found), found
            return
        time.sleep(0.1)
    raise AssertionError(f"{method} came to no end")
