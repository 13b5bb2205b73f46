"""Plans that answer with rows as they are stored: lists, the longest, the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .columntypes import column_type
from .draft import Rank, Ref, Unread
from .measures import measures_for_adjective
from .plan import Dimension, Order, QueryPlan, Source
from .roles import is_unique

if TYPE_CHECKING:
    from .composing import Composer
    from .index import CatalogueIndex

_MOST_COLUMNS = 8
_MOST_THINGS = 10_000
_SHOWN_FIRST = ("key", "label", "dimension", "time", "calendar", "flag", "measure", "clock", "other")


def compose_rows(composer: Composer) -> QueryPlan:
    """The plan of a list: chosen columns (or the telling ones), conditions, order, limit."""
    draft, rank = composer.draft, composer.draft.rank
    if draft.loose_functions:
        raise Unread(draft.loose_functions[0][1], "is followed by nothing that it could be computed of")
    ordered = _ordered_by(composer) if rank is not None else None
    named = _named(composer) or _other_things(composer)
    filters = composer.conditions.bind_all()
    windows = composer.windows(False)
    dimensions = list(named)
    if ordered is not None and all(d.source != ordered[0] for d in dimensions):
        alias = composer.names.source(ordered[0], composer.binder.joins()) if ordered[0].column else ""
        if ordered[0].calendar:
            dimensions.append(
                Dimension(ordered[0], composer.names.grain("day"), "day", grain=_finest(ordered[0]))
            )
        else:
            dimensions.append(Dimension(ordered[0], alias, ordered[0].column))
    if not named:
        dimensions = _telling(composer, dimensions)
    elif ordered is not None and draft.listing:
        dimensions = [*_identity(composer, dimensions), *dimensions]
    order = [Order(_alias_of(dimensions, ordered[0]), ordered[1])] if ordered is not None else []
    order += [Order(d.alias, False) for d in dimensions if all(o.alias != d.alias for o in order)]
    limit = _limit(composer)
    if limit == 1 and shows_ties(composer.index, composer.base):
        order = order[:1]
    distinct = bool(draft.distinct or (named and ordered is None))
    return QueryPlan(
        form="list",
        table=composer.base,
        joins=composer.binder.joins(),
        dimensions=tuple(dimensions),
        filters=tuple(filters),
        windows=windows,
        order=tuple(order),
        limit=limit,
        distinct=distinct,
        tied=limit == 1 and ordered is not None,
        timezone=composer.timezone,
    )


def shows_ties(index: CatalogueIndex, table: str) -> bool:
    """Whether all things that share the first place are shown: those that have names, and are not many."""
    return bool(index.label(table)) and index.tables[table].row_count <= _MOST_THINGS


def _finest(source: Source) -> str:
    """The finest step the calendar columns tell."""
    return "hour" if source.calendar[3] else "day"


def _limit(composer: Composer) -> int:
    rank = composer.draft.rank
    if rank is None:
        return composer.draft.limit
    if rank.limit:
        return rank.limit
    return 0 if rank.item.kind == "order" else 1


def _alias_of(dimensions: list[Dimension], source: Source) -> str:
    return next(dimension.alias for dimension in dimensions if dimension.source == source)


def _named(composer: Composer) -> list[Dimension]:
    """The columns that were named, the target's label first."""
    draft = composer.draft
    refs = list(draft.columns) + list(draft.bare)
    target = draft.target.ref if draft.target else None
    if target is not None and target.candidate.kind == "column":
        refs.insert(0, target)
    made = _led_by(composer, refs)
    for ref in sorted(refs, key=lambda ref: ref.item.start):
        source = composer.binder.source(ref, inner=False)
        alias = composer.names.source(source, composer.binder.joins())
        made.append(Dimension(source, alias, ref.item.text.casefold()))
    return made


def _led_by(composer: Composer, refs: list[Ref]) -> list[Dimension]:
    """`list the wards with their beds`: what is named before its columns is shown by its name."""
    first = composer.draft.subjects[0] if composer.draft.subjects else None
    if first is None or first.candidate.table != composer.base or not refs or not composer.draft.listing:
        return []
    if any(ref.item.start < first.item.start for ref in refs) or composer.draft.distinct:
        return []
    base = composer.base
    labels = composer.index.label(base)
    named = {ref.candidate.column for ref in refs}
    return [
        Dimension(composer.binder.column(base, base, c.name), composer.names.column(base, c.name), c.name)
        for c in labels
        if c.name not in named
    ]


def _other_things(composer: Composer) -> list[Dimension]:
    """`which members have late loans` lists members, though it is read from the loans."""
    draft = composer.draft
    first = draft.subjects[0] if draft.subjects and draft.rank is None else None
    if first is None or first.candidate.table == composer.base:
        return []
    key, path = composer.binder.table_key(first)
    made = [Dimension(key, composer.names.source(key, composer.binder.joins()), key.column)]
    for label in composer.binder.label_sources(path, first.candidate.table):
        if label != key and not (path and label.column == path[-1].to_column):
            alias = composer.names.label(first.candidate.table, label.column)
            made.append(Dimension(label, alias, label.column, label=True))
    return made


def _ordered_by(composer: Composer) -> tuple[Source, bool]:
    """What the rows are ordered by, and whether downwards."""
    draft, rank = composer.draft, composer.draft.rank
    assert rank is not None  # noqa: S101 - only called with a rank
    if rank.by is not None and rank.by.ref is not None:
        if rank.by.ref.candidate.kind != "column":
            raise Unread(rank.by.ref.item, "is no column to order by")
        if rank.by.ref.candidate.table != composer.base:
            raise Unread(rank.by.ref.item, f"does not belong to {composer.base}")
        return composer.binder.source(rank.by.ref), rank.descending
    if rank.by_time:
        aged = _by_age(composer, rank)
        return aged or (composer.moment(rank.item), rank.descending)
    if rank.adjective:
        candidate, flipped = measures_for_adjective(composer, rank.adjective, rank.item)
        column = composer.index.column(candidate.table, candidate.column)
        source = composer.binder.column(composer.base, composer.base, column.name)
        return source, rank.descending != flipped
    if len(draft.columns + draft.bare) == 1:
        ref = (draft.columns + draft.bare)[0]
        return composer.binder.source(ref), rank.descending
    raise Unread(rank.item, "does not say what to order by")


def _by_age(composer: Composer, rank: Rank) -> tuple[Source, bool] | None:
    """`oldest` is about an age or a birth date where there is one, else about time."""
    if rank.item.text.casefold() not in ("oldest", "newest"):
        return None
    try:
        candidate, flipped = measures_for_adjective(composer, "old", rank.item)
    except Unread:
        return None
    source = composer.binder.column(composer.base, composer.base, candidate.column)
    oldest = rank.item.text.casefold() == "oldest"
    return source, oldest != flipped


def _identity(composer: Composer, held: list[Dimension]) -> list[Dimension]:
    """The unique key and the label of ordered rows, unless a column that tells them is shown already."""
    index, base = composer.index, composer.base
    shown = {d.source.column for d in held if d.source.table == base}
    if any(index.role(base, name).kind in ("key", "label") for name in shown if name):
        return []
    key = next(
        (
            c
            for c in composer.table.columns
            if index.role(base, c.name).kind == "key" and is_unique(c, composer.table)
        ),
        None,
    )
    return [
        Dimension(composer.binder.column(base, base, c.name), composer.names.column(base, c.name), c.name)
        for c in ([key] if key else []) + list(index.label(base))
    ]


def _telling(composer: Composer, needed: list[Dimension]) -> list[Dimension]:
    """The columns that tell a reader most about a row: names, keys and dimensions before numbers."""
    columns = [c for c in composer.table.columns if column_type(c.type).kind not in ("json", "other")]
    if composer.index.time_columns(composer.base):
        columns = [c for c in columns if composer.index.role(composer.base, c.name).kind != "calendar"]
    held = {dimension.source.column for dimension in needed}
    labels = composer.index.label(composer.base)
    unique = any(is_unique(label, composer.table) for label in labels)
    if composer.draft.asked and unique:
        columns = [column for column in columns if column in labels]  # `which states …` asks for their names
    elif labels and composer.draft.rank is not None:  # `the 3 cheapest rooms`: which they are, and how cheap
        key = None if unique else composer.index.key_of(composer.base)
        columns = [column for column in columns if column in labels or column == key]
    index = {kind: position for position, kind in enumerate(_SHOWN_FIRST)}
    ranked = sorted(
        (column for column in columns if column.name not in held and column.path_of is None),
        key=lambda c: index[composer.index.role(composer.base, c.name).kind],
    )
    shown = []
    for column in ranked[: _MOST_COLUMNS - len(needed)]:
        alias = composer.names.column(composer.base, column.name)
        shown.append(
            Dimension(composer.binder.column(composer.base, composer.base, column.name), alias, column.name)
        )
    return shown + needed
