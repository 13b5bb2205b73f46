"""What a model may call: look into the catalogue, and say what the question means. Nothing else is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from aidatalabs_services.agent.models.conversation import Tool
from aidatalabs_services.agent.models.shapes import COLUMN, plan_schema

DESCRIBE_TABLES = "describe_tables"
FIND_VALUES = "find_values"
SUBMIT_PLAN = "submit_plan"
SUBMIT_SQL = "submit_sql"
ASK_BACK = "ask_back"
DECLINE = "decline"

_READING = {
    "type": "array",
    "items": {"type": "string"},
    "maxItems": 3,
    "description": "how you read the question, one plain sentence each",
}


def _object(properties: dict[str, object], *required: str) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: dict[str, object], most: int) -> dict[str, object]:
    return {"type": "array", "items": items, "maxItems": most}


_WHOLE = plan_schema()
_PLAN: dict[str, object] = {
    **_WHOLE,
    "properties": {**cast(Mapping[str, object], _WHOLE["properties"]), "reading": _READING},
}

SUBMITTING = (
    Tool(
        SUBMIT_PLAN,
        "The question as a typed plan. Use it whenever a plan can say it: plans are checked and explained.",
        _PLAN,
    ),
    Tool(
        SUBMIT_SQL,
        "One ClickHouse SELECT over the catalogue's tables, for what no plan can say. No settings, no other "
        "database, no table functions, no comments.",
        _object({"sql": {"type": "string"}, "reading": _READING}, "sql"),
    ),
    Tool(
        ASK_BACK,
        "The question has several readings whose answers differ: ask which one is meant.",
        _object(
            {
                "question": {"type": "string"},
                "choices": _list(
                    _object(
                        {
                            "label": {"type": "string", "description": "a few words"},
                            "question": {
                                "type": "string",
                                "description": "the question, one reading left",
                            },
                        },
                        "label",
                        "question",
                    ),
                    4,
                ),
            },
            "question",
            "choices",
        ),
    ),
    Tool(
        DECLINE,
        "The data cannot answer the question, or it is no question about the data.",
        _object({"reason": {"type": "string", "description": "one sentence: what is missing"}}, "reason"),
    ),
)
_DESCRIBING = Tool(
    DESCRIBE_TABLES,
    "The columns of tables that the catalogue only names.",
    _object({"tables": _list({"type": "string"}, 10)}, "tables"),
)
_FINDING = Tool(
    FIND_VALUES,
    "Stored values of a text column that hold some letters, to spell a filter as the data does.",
    _object({"column": COLUMN, "letters": {"type": "string"}}, "column", "letters"),
)


def offered(*, values: bool) -> tuple[Tool, ...]:
    """The tools of a conversation; values are looked up only where the operator lets models see them."""
    return (*SUBMITTING, _DESCRIBING, _FINDING) if values else (*SUBMITTING, _DESCRIBING)
