"""Cases of the conformance of transports: pictures, rewrites, proofs, conversations and lessons."""

from __future__ import annotations

from tests.e2e.conformance_cases import PICTURE_CASES, SHOP, Case

NOBODYS = "00000000-0000-4000-8000-000000000000"
AGENT_CASES = (
    *PICTURE_CASES,
    Case(
        "agent.v1.AgentService/VerifyAnswer",
        SHOP | {"proof": {"sql": "SELECT count() AS number_of_boxes FROM boxes"}},
        SHOP | {"proof": {"sql": ""}},
        "INVALID_REQUEST",
    ),
    # Begun by Query before; StreamAnswer began another one, which DeleteConversations finds.
    Case(
        "agent.v1.AgentService/GetConversation",
        SHOP | {"conversation": "{conversation}"},
        SHOP | {"conversation": NOBODYS},
        "CONVERSATION_NOT_FOUND",
    ),
    Case(
        "agent.v1.AgentService/GiveFeedback",
        SHOP | {"conversation": "{conversation}", "turn": 1, "verdict": "RIGHT"},
        SHOP | {"conversation": "{conversation}", "turn": 9, "verdict": "WRONG"},
        "INVALID_REQUEST",
    ),
    Case("agent.v1.AgentService/ListLessons", SHOP, SHOP, "PLATFORM_NOT_FOUND", "stranger"),
    Case(
        "agent.v1.AgentService/ForgetLesson",
        SHOP | {"lesson": "{lesson}"},
        SHOP | {"lesson": NOBODYS},
        "LESSON_NOT_FOUND",
    ),
    Case(
        "agent.v1.AgentService/UpdateCatalogue",
        SHOP
        | {
            "definitions": {
                "tables": [{"table": "boxes", "synonyms": ["crates"]}],
                "metrics": [{"name": "stock", "table": "boxes", "aggregate": "COUNT"}],
            },
            "request_id": "u-{way}",
        },
        SHOP
        | {"definitions": {"metrics": [{"name": "x", "table": "boxes", "aggregate": "SUM", "column": "y"}]}},
        "INVALID_REQUEST",
    ),
    Case(
        "agent.v1.AgentService/GetCatalogue",
        SHOP | {"table": "boxes", "view": "FULL"},
        SHOP | {"page_token": "x"},
        "PAGE_TOKEN_INVALID",
    ),
    Case(
        "agent.v1.AgentService/ListCatalogueVersions", SHOP, SHOP | {"page_token": "x"}, "PAGE_TOKEN_INVALID"
    ),
    Case(
        "agent.v1.AgentService/RestoreCatalogueVersion",
        SHOP | {"version": 0},
        SHOP | {"version": 9},
        "CATALOGUE_VERSION_NOT_FOUND",
    ),
    Case("agent.v1.AgentService/ListConversations", SHOP, SHOP | {"page_token": "x"}, "PAGE_TOKEN_INVALID"),
    Case(
        "agent.v1.AgentService/DeleteConversation",
        SHOP | {"conversation": "{conversation}"},
        SHOP | {"conversation": NOBODYS},
        "CONVERSATION_NOT_FOUND",
    ),
    Case("agent.v1.AgentService/DeleteConversations", SHOP, SHOP, "PLATFORM_NOT_FOUND", "stranger"),
)
AGENT_EMPTY = {"DeleteConversation"}
AGENT_HOLDS: dict[str, tuple[str, ...]] = {
    "DrawAnswer": ("image/svg+xml",),
    "Optimize": ("'sql': 'SELECT id FROM boxes ORDER BY id'",),
    "VerifyAnswer": ("'verdict': 'altered'", "'kind': 'seal'", "'produced_by': 'verification'"),
    "GetConversation": ("'title': 'how many boxes are there?'", "'outcome': 'answered'", "'sql': 'SELECT"),
    "ListConversations": ("'name': '{conversation}'", "'name': '{streamed}'"),
    "GiveFeedback": ("'origin': 'confirmed'", "'name': '{lesson}'", "Learnt"),
    "ListLessons": ("'question': 'how many boxes are there?'", "'taught_by': 'users/"),
    "ForgetLesson": ("'name': '{lesson}'", "'forgotten_by': 'users/"),
    "UpdateCatalogue": ("'definitions_version': 1", "Adds the metric 'stock'."),
    "GetCatalogue": ("'synonyms': ['crates']", "'role': 'IDENTIFIER'", "'aggregate': 'COUNT'"),
    "ListCatalogueVersions": ("'version': 1", "'changed_by': 'users/"),
    "RestoreCatalogueVersion": ("'definitions_version': 2", "Removes the metric 'stock'."),
    "DeleteConversations": ("'deleted_count': '1'",),
}
