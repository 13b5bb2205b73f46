"""What a model may call: look into the catalogue, and say what the question means. Nothing else is there."""

from __future__ import annotations

from aidatalabs_services.agent.models.conversation import Tool

DESCRIBE_TABLES = "describe_tables"
FIND_VALUES = "find_values"
SUBMIT_PLAN = "submit_plan"
SUBMIT_SQL = "submit_sql"
ASK_BACK = "ask_back"
DECLINE = "decline"

FUNCTIONS = ("count", "count_distinct", "sum", "avg", "min", "max", "median", "share", "percent")
OPERATORS = (
    *("eq", "ne", "in", "not_in", "lt", "le", "gt", "ge", "between"),
    *("is_null", "not_null", "is_true", "is_false"),
)
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge", "between")
GRAINS = ("hour", "day", "week", "month", "quarter", "year")
PARTS = ("hour", "weekday", "month")

_COLUMN = {"type": "string", "description": "`table.column`, exactly as in the catalogue"}
_NAME = {"type": "string", "description": "a short name in snake case for this column of the answer"}
_VALUES = {"type": "array", "items": {"type": ["string", "number", "boolean"]}, "maxItems": 200}
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


def _choice(words: tuple[str, ...]) -> dict[str, object]:
    return {"type": "string", "enum": list(words)}


_FILTER = _object(
    {"column": _COLUMN, "operator": _choice(OPERATORS), "values": _VALUES}, "column", "operator"
)
_MEASURE = _object(
    {
        "function": _choice(FUNCTIONS),
        "column": {
            **_COLUMN,
            "description": "what it is computed of; left out for count, share of rows, percent",
        },
        "name": _NAME,
        "conditions": {**_list(_FILTER, 10), "description": "for percent: the rows that count"},
    },
    "function",
    "name",
)
_DIMENSION = _object(
    {"column": _COLUMN, "name": _NAME, "grain": _choice(GRAINS), "part": _choice(PARTS)}, "column", "name"
)
_WINDOW = _object(
    {
        "column": _COLUMN,
        "start": {
            "type": "string",
            "description": "first moment, 2013-07-01 or 2013-07-01T14:00:00; empty is open",
        },
        "end": {"type": "string", "description": "first moment after it; empty is open"},
    },
    "column",
)
_JOIN = _object(
    {
        "from": {**_COLUMN, "description": "the column that refers, as in `keys`"},
        "to": {**_COLUMN, "description": "the key that it refers to"},
        "unmatched": {"type": "boolean", "description": "keep rows without a match; true unless said"},
    },
    "from",
    "to",
)
_PLAN = _object(
    {
        "table": {"type": "string", "description": "the table whose rows are counted, measured or listed"},
        "joins": {**_list(_JOIN, 6), "description": "only where `keys` leave several ways to a table"},
        "measures": _list(_MEASURE, 10),
        "dimensions": {
            **_list(_DIMENSION, 8),
            "description": "groups; without measures: the columns to list",
        },
        "filters": _list(_FILTER, 20),
        "windows": {**_list(_WINDOW, 4), "description": "conditions on times; never put those into filters"},
        "having": _list(
            _object(
                {"measure": _NAME, "operator": _choice(COMPARISONS), "values": _VALUES}, "measure", "operator"
            ),
            6,
        ),
        "order": _list(_object({"by": _NAME, "descending": {"type": "boolean"}}, "by"), 6),
        "limit": {"type": "integer", "minimum": 0, "maximum": 10_000},
        "distinct": {"type": "boolean", "description": "for a list: equal rows once"},
        "outer": {**_choice(("avg", "count")), "description": "fold the groups into one number"},
        "reading": _READING,
    },
    "table",
)

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
    _object({"column": _COLUMN, "letters": {"type": "string"}}, "column", "letters"),
)


def offered(*, values: bool) -> tuple[Tool, ...]:
    """The tools of a conversation; values are looked up only where the operator lets models see them."""
    return (*SUBMITTING, _DESCRIBING, _FINDING) if values else (*SUBMITTING, _DESCRIBING)
