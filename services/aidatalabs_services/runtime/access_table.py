"""The access table: one row for every RPC of the contract, read by the services, the edge and the tests.

A method without a row stops every process at start. Deadlines are the longest a call may take; a client may
ask for less. `peers` says who may call: `edge` for everything people reach, otherwise services by name.
"""

from __future__ import annotations

from aidatalabs_services.runtime.access import Idempotency, MethodAccess, Scope
from aidatalabs_services.runtime.caller import Role

_MIB = 1024 * 1024
_EDGE = ("edge",)
_AGENT = ("edge", "agent")


def _row(
    method: str,
    scope: Scope,
    least_role: Role,
    *,
    platform_field: str = "",
    idempotency: Idempotency = Idempotency.READ,
    deadline_seconds: float = 10.0,
    request_bytes: int = _MIB,
    rate_class: str = "read",
    audited: bool = False,
    peers: tuple[str, ...] = _EDGE,
    queued: bool = True,
) -> MethodAccess:
    service, _, name = method.partition("/")
    return MethodAccess(
        method=f"/aidatalabs.{service}/{name}",
        scope=scope,
        least_role=least_role,
        platform_field=platform_field,
        idempotency=idempotency,
        deadline_seconds=deadline_seconds,
        request_bytes=request_bytes,
        rate_class=rate_class,
        audited=audited,
        peers=peers,
        queued=queued,
    )


def _on_platform(method: str, least_role: Role, field: str = "platform", **more: object) -> MethodAccess:
    return _row(method, Scope.PLATFORM, least_role, platform_field=field, **more)  # type: ignore[arg-type]


_ONCE = Idempotency.REQUEST_ID
_SAME = Idempotency.NATURAL

TABLE: tuple[MethodAccess, ...] = (
    # -- access and identity
    _row(
        "common.v1.AccessService/ResolveAccess",
        Scope.SELF,
        Role.NONE,
        peers=("identity", "data", "agent", "monitoring"),
        queued=False,
    ),
    _row("identity.v1.IdentityService/GetCurrentUser", Scope.SELF, Role.NONE, peers=("edge", "platform")),
    _row("identity.v1.IdentityService/ListUsers", Scope.MESH, Role.ADMIN),
    # Tells e-mails: what the caller may learn of it, the platform service decides.
    _row("identity.v1.IdentityService/ResolveUsers", Scope.SELF, Role.NONE, peers=("platform",)),
    _row(
        "identity.v1.IdentityService/RotateSigningKey",
        Scope.MESH,
        Role.ADMIN,
        idempotency=_ONCE,
        rate_class="write",
        audited=True,
    ),
    # -- platform
    _row(
        "platform.v1.PlatformService/CreatePlatform",
        Scope.MESH,
        Role.EDITOR,
        idempotency=_ONCE,
        deadline_seconds=30.0,
        rate_class="write",
        audited=True,
    ),
    _on_platform("platform.v1.PlatformService/GetPlatform", Role.VIEWER, "name"),
    _row("platform.v1.PlatformService/ListPlatforms", Scope.SELF, Role.NONE),
    _on_platform(
        "platform.v1.PlatformService/UpdatePlatform",
        Role.ADMIN,
        "platform.name",
        idempotency=_ONCE,
        rate_class="write",
        audited=True,
    ),
    _on_platform(
        "platform.v1.PlatformService/DeletePlatform",
        Role.ADMIN,
        "name",
        idempotency=_ONCE,
        deadline_seconds=30.0,
        rate_class="write",
        audited=True,
    ),
    _on_platform(
        "platform.v1.PlatformService/UndeletePlatform",
        Role.ADMIN,
        "name",
        idempotency=_SAME,
        deadline_seconds=30.0,
        rate_class="write",
        audited=True,
    ),
    _on_platform(
        "platform.v1.PlatformService/SetMember",
        Role.ADMIN,
        idempotency=_SAME,
        rate_class="write",
        audited=True,
    ),
    _on_platform(
        "platform.v1.PlatformService/RemoveMember",
        Role.ADMIN,
        idempotency=_SAME,
        rate_class="write",
        audited=True,
    ),
    _on_platform("platform.v1.PlatformService/ListMembers", Role.VIEWER),
    # -- data
    _on_platform(
        "data.v1.DataService/ProvisionPlatform",
        Role.ADMIN,
        idempotency=_SAME,
        deadline_seconds=25.0,
        rate_class="write",
        peers=("platform",),
    ),
    _on_platform(
        "data.v1.DataService/DeprovisionPlatform",
        Role.ADMIN,
        idempotency=_SAME,
        deadline_seconds=25.0,
        rate_class="write",
        peers=("platform",),
    ),
    _on_platform(
        "data.v1.DataService/CreateTable", Role.EDITOR, idempotency=_SAME, rate_class="write", audited=True
    ),
    _on_platform("data.v1.DataService/ListTables", Role.VIEWER),
    _on_platform("data.v1.DataService/GetTable", Role.VIEWER),
    _on_platform(
        "data.v1.DataService/DropTable", Role.EDITOR, idempotency=_SAME, rate_class="write", audited=True
    ),
    _on_platform(
        "data.v1.DataService/UndropTable", Role.EDITOR, idempotency=_SAME, rate_class="write", audited=True
    ),
    _on_platform("data.v1.DataService/SuggestPaths", Role.VIEWER),
    _on_platform(
        "data.v1.DataService/TypePaths",
        Role.ADMIN,
        idempotency=_SAME,
        deadline_seconds=120.0,
        rate_class="write",
        audited=True,
    ),
    _on_platform(
        "data.v1.DataService/UpdateTable", Role.EDITOR, idempotency=_SAME, rate_class="write", audited=True
    ),
    *(
        _on_platform(
            f"data.v1.DataService/{name}",
            Role.EDITOR,
            idempotency=_ONCE,
            deadline_seconds=60.0,
            rate_class="write",
            audited=True,
        )
        for name in ("DeleteRows", "DeleteUserData")
    ),
    _on_platform("data.v1.DataService/GetDeletion", Role.EDITOR),
    _on_platform("data.v1.DataService/ListDeletions", Role.EDITOR),
    *(
        _on_platform(
            f"data.v1.DataService/{name}",
            Role.ADMIN,
            idempotency=_ONCE if name in ("CreateBackup", "RestoreBackup", "DrillBackup") else _SAME,
            deadline_seconds=30.0,
            rate_class="write",
            audited=True,
        )
        for name in ("CreateBackup", "DeleteBackup", "VerifyBackup", "RestoreBackup", "DrillBackup")
    ),
    *(
        _on_platform(f"data.v1.DataService/{name}", Role.ADMIN)
        for name in ("GetBackup", "ListBackups", "GetRestore", "ListRestores")
    ),
    _on_platform(
        "data.v1.DataService/AddColumn", Role.EDITOR, idempotency=_SAME, rate_class="write", audited=True
    ),
    _on_platform(
        "data.v1.DataService/CreateRollup", Role.EDITOR, idempotency=_SAME, rate_class="write", audited=True
    ),
    _on_platform("data.v1.DataService/ListRollups", Role.VIEWER),
    _on_platform("data.v1.DataService/GetRollup", Role.VIEWER),
    _on_platform(
        "data.v1.DataService/DropRollup", Role.EDITOR, idempotency=_SAME, rate_class="write", audited=True
    ),
    _on_platform(
        "data.v1.DataService/Ingest",
        Role.EDITOR,
        idempotency=_ONCE,
        deadline_seconds=30.0,
        request_bytes=16 * _MIB,
        rate_class="ingest",
    ),
    # Bounded by places of its own: streams would hold those of all calls for as long as they last.
    _on_platform(
        "data.v1.DataService/IngestStream",
        Role.EDITOR,
        idempotency=_ONCE,
        deadline_seconds=900.0,
        request_bytes=16 * _MIB,
        rate_class="ingest",
        queued=False,
    ),
    _on_platform("data.v1.DataService/GetReceipt", Role.EDITOR),
    # Each row goes under an id of its own: a repeated call stores none twice.
    _on_platform(
        "data.v1.DataService/ReplayDeadLetters",
        Role.EDITOR,
        idempotency=_SAME,
        deadline_seconds=60.0,
        rate_class="ingest",
        audited=True,
    ),
    _on_platform(
        "data.v1.DataService/Query", Role.VIEWER, deadline_seconds=60.0, rate_class="query", peers=_AGENT
    ),
    _on_platform("data.v1.DataService/StreamQuery", Role.VIEWER, deadline_seconds=60.0, rate_class="query"),
    # The query has its own limit, the rest is for slow readers of a file that is complete.
    _on_platform(
        "data.v1.DataService/Export", Role.VIEWER, deadline_seconds=900.0, rate_class="query", queued=False
    ),
    _on_platform("data.v1.DataService/ExplainQuery", Role.VIEWER, rate_class="query", peers=_AGENT),
    _on_platform("data.v1.DataService/DescribeSchema", Role.VIEWER, deadline_seconds=30.0, peers=_AGENT),
    # Copies rows for a while, so not for those who may only look; it reads and changes nothing that stays.
    _on_platform(
        "data.v1.DataService/MeasureLayouts",
        Role.EDITOR,
        idempotency=_SAME,
        deadline_seconds=60.0,
        rate_class="query",
        peers=("agent",),
        queued=False,
    ),
    # -- agent
    _on_platform("agent.v1.AgentService/Query", Role.VIEWER, deadline_seconds=60.0, rate_class="agent"),
    _on_platform(
        "agent.v1.AgentService/StreamAnswer", Role.VIEWER, deadline_seconds=60.0, rate_class="agent"
    ),
    _on_platform("agent.v1.AgentService/DrawAnswer", Role.VIEWER, deadline_seconds=60.0, rate_class="agent"),
    _on_platform(
        "agent.v1.AgentService/VerifyAnswer", Role.VIEWER, deadline_seconds=60.0, rate_class="agent"
    ),
    *(
        _on_platform(f"agent.v1.AgentService/{name}", Role.VIEWER)
        for name in ("ListConversations", "GetConversation", "ListLessons")
    ),
    *(
        _on_platform(
            f"agent.v1.AgentService/{name}", Role.VIEWER, idempotency=_SAME, rate_class="write", audited=True
        )
        for name in ("DeleteConversation", "DeleteConversations", "GiveFeedback")
    ),
    *(
        _on_platform(f"agent.v1.AgentService/{name}", Role.VIEWER, deadline_seconds=30.0)
        for name in ("GetCatalogue", "ListCatalogueVersions")
    ),
    *(
        _on_platform(
            f"agent.v1.AgentService/{name}",
            Role.EDITOR,
            idempotency=_ONCE,
            deadline_seconds=30.0,
            rate_class="write",
            audited=True,
        )
        for name in ("UpdateCatalogue", "RestoreCatalogueVersion")
    ),
    _on_platform(
        "agent.v1.AgentService/ForgetLesson", Role.EDITOR, idempotency=_SAME, rate_class="write", audited=True
    ),
    *(
        _on_platform(
            f"agent.v1.AgentService/{name}",
            Role.ADMIN,
            idempotency=_SAME,
            rate_class="write",
            peers=("platform",),
        )
        for name in ("PurgePlatform", "KeepPlatform")
    ),
    _on_platform(
        "agent.v1.AgentService/Design",
        Role.EDITOR,
        idempotency=Idempotency.NONE,
        deadline_seconds=60.0,
        request_bytes=16 * _MIB,
        rate_class="agent",
    ),
    _on_platform("agent.v1.AgentService/Optimize", Role.VIEWER, deadline_seconds=60.0, rate_class="agent"),
    _on_platform("agent.v1.AgentService/Analyze", Role.VIEWER, deadline_seconds=60.0, rate_class="agent"),
    _on_platform("agent.v1.AgentService/Support", Role.VIEWER, deadline_seconds=60.0, rate_class="agent"),
    # -- monitoring: with a platform its members may look, without one mesh admins only
    *(
        _row(
            f"monitoring.v1.MonitoringService/{name}",
            Scope.PLATFORM_OR_MESH,
            Role.VIEWER,
            platform_field="platform",
        )
        for name in ("ListMetrics", "ListAlerts", "ListLogs")
    ),
)
