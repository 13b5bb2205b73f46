"""A plan in plain sentences: what was read from where, so that a wrong reading is seen at once."""

from __future__ import annotations

from .columntypes import column_type
from .explaining import number_lines, weekdays
from .index import CatalogueIndex
from .items import Candidate
from .linking import Linked
from .plan import OR_UNKNOWN, Dimension, Filter, QueryPlan
from .words import compact

_EMPTY = "empty"
OPERATOR_WORDS = {
    "eq": "is",
    "ne": "is not",
    "in": "is one of",
    "not_in": "is none of",
    "lt": "is below",
    "le": "is at most",
    "gt": "is above",
    "ge": "is at least",
    "between": "is between",
    "is_null": "is not known",
    "not_null": "is known",
    "is_true": "is true",
    "is_false": "is false",
    "contains": "contains",
    "starts": "starts with",
    "ends": "ends with",
    "not_contains": "does not contain",
    "not_starts": "does not start with",
    "not_ends": "does not end with",
}


def condition_words(condition: Filter) -> str:
    """What a condition asks of its column, as `is at most 5`; unknown values are told apart."""
    if condition.part == "weekday":
        return f"falls on {weekdays(condition.values)}"
    if condition.query is not None:
        return _looked_up(condition, condition.query)
    values = (" and " if condition.operator == "between" else ", ").join(
        value or _EMPTY for value in condition.values
    )
    return f"{OPERATOR_WORDS[condition.operator.removesuffix(OR_UNKNOWN)]} {values}".rstrip()


def _looked_up(condition: Filter, query: QueryPlan) -> str:
    """`is among the climber_id of races where year is 2014`."""
    narrowed = " and ".join(condition_said(f) for f in query.filters)
    narrowed = " and ".join(part for part in (narrowed, *(window.words for window in query.windows)) if part)
    where = f" where {narrowed}" if narrowed else ""
    if condition.operator in ("in_query", "not_in_query"):
        key = query.dimensions[0].source.column
        number = "".join(
            f" that have {OPERATOR_WORDS[h.operator].removeprefix('is ')} {' and '.join(h.values)} rows"
            for h in query.having
        )
        way = "is among" if condition.operator == "in_query" else "is not among"
        return f"{way} the {key} of {query.table}{where}{number}"
    return f"{OPERATOR_WORDS[condition.operator]} the {query.measures[0].title} of {query.table}{where}"


def condition_said(condition: Filter) -> str:
    """A condition with the column it is about."""
    if condition.operator in ("any", "all"):
        joiner = " or " if condition.operator == "any" else " and "
        return joiner.join(condition_said(option) for option in condition.options)
    source = condition.source
    lead = f"the {condition.part} of " if condition.part not in ("", "weekday") else ""
    return f"{lead}{source.table}.{source.column or 'date'} {condition_words(condition)}"


def explain(
    plan: QueryPlan, index: CatalogueIndex, linked: Linked, chosen: dict[int, Candidate]
) -> list[str]:
    """Sentences on table, joins, measures, groups, conditions, time, order and on every word read freely."""
    rows = index.tables[plan.table].row_count
    lines = [f"Reads {plan.table} ({rows:,} rows)." if rows else f"Reads {plan.table}."]
    for join in plan.joins:
        kept = "kept" if join.kind == "left" else "left out"
        lines.append(
            f"Looks up {join.table} by {join.left}.{join.left_column}; rows without a match are {kept}."
        )
    lines.extend(_computed(plan))
    lines.extend(f"Only rows where {condition_said(f)}{_unknown(f)}." for f in plan.filters)
    shares = [m for m in plan.measures if m.function == "percent" and plan.cohort is None]
    lines.extend(f"Share of the rows where {condition_said(f)}." for m in shares for f in m.conditions)
    lines.extend(number_lines(plan))
    lines.extend(
        f"Time: {window.words}; read from {_time(plan, window.source.column, window.source.calendar)}."
        for window in plan.windows
    )
    lines.extend(_time_taken(plan, index, linked, chosen))
    lines.extend(_ordered(plan))
    if any(item.kind == "present" for item in linked.items):
        lines.append("Only what has at least one such row is looked at.")
    for typed, read in linked.corrections:
        lines.append(f"'{typed}' was read as '{read}'.")
    lines.extend(_free(linked, chosen))
    return lines


def _computed(plan: QueryPlan) -> list[str]:
    lines = []
    if plan.measures:
        lines.append("Computes " + ", ".join(measure.title for measure in plan.measures) + ".")
    if any(measure.skips_empty for measure in plan.measures):
        lines.append("An empty text counts as no value.")
    keys = [_dimension(d) for d in plan.dimensions if not d.label]
    if keys and plan.cohort is None:
        lines.append(("Shows " if plan.form == "list" else "For each ") + ", ".join(keys) + ".")
    for having in plan.having:
        title = next(m.title for m in plan.measures if m.alias == having.measure)
        lines.append(
            f"Only groups whose {title} {OPERATOR_WORDS[having.operator]} {' and '.join(having.values)}."
        )
    if plan.outer == "avg":
        lines.append("Averages this over the groups; groups without any row are not counted.")
    if plan.outer == "count":
        lines.append("Counts these groups.")
    return lines


def _dimension(dimension: Dimension) -> str:
    if dimension.grain:
        return f"{dimension.grain} of {_time(None, dimension.source.column, dimension.source.calendar)}"
    return f"{dimension.title} ({dimension.source.column})" if dimension.source.column else dimension.title


def _time(plan: QueryPlan | None, column: str, calendar: tuple[str, ...]) -> str:
    return column or "the columns " + ", ".join(name for name in calendar[:3] if name)


def _unknown(condition: Filter) -> str:
    """What becomes of rows without a value in the column of a condition, where there may be such rows."""
    source = condition.source
    if not (column_type(source.type).nullable or source.path):
        return ""
    if condition.known or condition.query is not None or condition.options:
        return ""
    if condition.operator.endswith(OR_UNKNOWN) or condition.operator in ("ne", "not_in"):
        return "; rows where it is not known are kept"
    ordered = condition.operator in ("lt", "le", "gt", "ge", "between")
    return "; rows where it is not known are left out" if ordered else ""


def _time_taken(
    plan: QueryPlan, index: CatalogueIndex, linked: Linked, chosen: dict[int, Candidate]
) -> list[str]:
    """Which of several dates was taken: the one the rows are called like, or the one all of them have."""
    sources = [d.source for d in plan.dimensions if d.grain or d.part] + [w.source for w in plan.windows]
    taken = {s.column for s in sources if s.table == plan.table and s.column}
    named = {c.column for c in chosen.values() if c.kind == "column"}
    others = [column.name for column in index.time_columns(plan.table)]
    return [
        f"Of {' and '.join(others)} the date of the rows was taken: {column}."
        for column in sorted(taken - named)
        if len(others) > 1
    ]


def _ordered(plan: QueryPlan) -> list[str]:
    if not plan.limit or not plan.order or plan.limit_by:
        return []
    first = plan.order[0]
    way = "highest" if first.descending else "lowest"
    lines = [
        f"Keeps the first {plan.limit} by {way} {first.alias}; equal rows are ordered by the other columns."
    ]
    known = {f.source for f in plan.filters if f.known}
    hidden = [d.title for d in plan.dimensions if plan.measures and d.source in known and not d.grain]
    return lines + [f"Rows without a {title} are not ranked." for title in hidden]


def _free(linked: Linked, chosen: dict[int, Candidate]) -> list[str]:
    """Words that were read as something spelt differently."""
    lines = []
    for place, candidate in sorted(chosen.items()):
        item = linked.items[place]
        target = candidate.column if candidate.kind != "table" else candidate.table
        if candidate.kind == "value":
            if compact(item.text) != compact(candidate.values[0]):
                lines.append(f"'{item.text}' was read as {target} '{candidate.values[0]}'.")
        elif candidate.cost >= 0.05 or (candidate.column and compact(item.text) == compact(target) + "s"):
            lines.append(
                f"'{item.text}' was read as {candidate.table}.{target}."
                if candidate.kind == "column"
                else f"'{item.text}' was read as {target}."
            )
    return lines
