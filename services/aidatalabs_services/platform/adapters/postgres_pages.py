"""One page of platforms as a SQL statement; what callers send is bound, never written into it."""

from __future__ import annotations

from collections.abc import Mapping

from aidatalabs_services.platform.adapters.postgres_rows import COLUMNS
from aidatalabs_services.platform.listings import After, Listing
from aidatalabs_services.platform.members import ALL_USERS
from aidatalabs_services.runtime.filters import Condition, sql_conditions

# What a field of a filter is in the table.
_FIELDS: Mapping[str, str] = {
    "name": "('platforms/' || platform_id)",
    "display_name": "name::text",
    "state": "upper(status)",
    "owner": "('users/' || user_id::text)",
    "create_time": "created_at",
    "update_time": "updated_at",
}
# What the table is sorted by; texts byte by byte, as the domain compares them.
_SORTS: Mapping[str, str] = {
    "name": "platform_id",
    "display_name": 'name::text COLLATE "C"',
    "create_time": "created_at",
    "update_time": "updated_at",
}


def page_query(
    user: str | None, listing: Listing, after: After | None, size: int
) -> tuple[str, list[object]]:
    """The statement and its values: at most `size` platforms after that place that `user` may see."""
    values: list[object] = []

    def bind(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    conditions = [Condition(one.field, one.operator, one.value) for one in listing.conditions]
    wanted = sql_conditions(conditions, _FIELDS, bind)
    if user is not None:
        members = f"m.member IN ({bind(user)}, {bind(ALL_USERS)})"
        wanted.append(f"EXISTS (SELECT FROM platform_members m WHERE m.platform_id = p.id AND {members})")
    if not listing.deleted:
        wanted.append("status <> 'deleted'")
    elif user is not None:
        admin = f"m.member = {bind(user)} AND m.role = 'admin'"
        wanted.append(
            "(status <> 'deleted' OR EXISTS "
            f"(SELECT FROM platform_members m WHERE m.platform_id = p.id AND {admin}))"
        )
    sort = _SORTS[listing.order]
    if after is not None:
        comparison = "<" if listing.descending else ">"
        wanted.append(f"({sort}, platform_id) {comparison} ({bind(after.value)}, {bind(after.platform_id)})")
    direction = " DESC" if listing.descending else ""
    statement = (
        f"SELECT {COLUMNS} FROM platforms p WHERE {' AND '.join(wanted) or 'true'} "  # noqa: S608
        f"ORDER BY {sort}{direction}, platform_id{direction} LIMIT {bind(size)}"
    )
    return statement, values
