"""A plan as a model wrote it, checked against the catalogue and made a typed plan.

Nothing of it is believed: tables, columns and keys have to exist, types come from the catalogue, numbers have
to be numbers, names of the answer must not capture columns. What cannot be said this way is left to SQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from aidatalabs_services.agent.models import fields
from aidatalabs_services.agent.models.followed import followed, rows_of
from aidatalabs_services.agent.models.joining import InnerRows, Joining
from aidatalabs_services.agent.models.lookups import QUERIES, looked_up
from aidatalabs_services.agent.models.misfit import Misfit
from aidatalabs_services.agent.models.numbers import check_measure, posts_of
from aidatalabs_services.agent.models.shapes import MOST_LIMIT, MOST_TITLE, ROWS, WORDS, Slot, most, slots
from aidatalabs_services.agent.models.wording import one_line
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.explain import explain
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.linking import Linked
from aidatalabs_services.agent.planner.plan import (
    Cohort,
    Dimension,
    Filter,
    Having,
    Measure,
    Order,
    QueryPlan,
    Source,
    Window,
)
from aidatalabs_services.agent.plans import PlanNotReadable, sql_of

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_PART = re.compile(r"[0-9]{1,4}")
_WIDTH = re.compile(r"[1-9]\d{0,9}|(0|[1-9]\d{0,9})\.\d{0,5}[1-9]")
_MOST_DEEP = 2
_MOST_SECONDS = 366 * 86_400
_TEXTS = ("contains", "starts", "ends")

Record = TypeVar("Record")
Part = Mapping[str, object]


def plan_of(draft: Part, index: CatalogueIndex) -> QueryPlan:
    """The typed plan of a draft. Raises Misfit with what is wrong and what would be right."""
    plan = _Draft({name: held for name, held in draft.items() if name != "reading"}, index, 0).plan()
    try:
        sql_of(plan)
        explain(plan, index, Linked("", [], []), {})
    except (PlanNotReadable, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise Misfit("no plan can put these parts together; write SQL") from None
    return plan


class _Draft:
    """One draft on its way; a plan inside of another one is `depth` deep, and makes its rows with `rows`."""

    def __init__(self, draft: Part, index: CatalogueIndex, depth: int, *, rows: bool = False) -> None:
        self._draft = draft
        self._index = index
        self._depth = depth
        self._rows = rows
        self._inner = self._inner_rows()
        self._joining = self._columns_of(draft)
        self._names: set[str] = set()
        self._columns = index.folded_names

    def _inner_rows(self) -> QueryPlan | None:
        """The plan that makes the rows of this one, where there is one."""
        given = self._draft.get("inner")
        if given is None:
            return None
        if not isinstance(given, dict) or self._depth:
            raise Misfit("inner is a plan inside of the outermost one")
        return _Draft(given, self._index, self._depth + 1, rows=True).plan()

    def _columns_of(self, draft: Part) -> Joining | InnerRows:
        table = fields.text(draft, "table")
        if self._inner is None:
            return Joining(self._index, table)
        if table != self._inner.table or self._inner.cohort is None:
            raise Misfit("a plan with inner has the table of the inner one")
        return InnerRows(self._inner, rows_of(self._inner.cohort))

    def plan(self) -> QueryPlan:
        """The whole of it."""
        self._known(QueryPlan, self._draft, "a plan")
        for join in fields.parts(self._draft, "joins", 6):
            unmatched = fields.flag(join, "unmatched", True)
            self._joining.through(fields.text(join, "from"), fields.text(join, "to"), unmatched=unmatched)
        special = ("table", "joins", "measures", "dimensions", "post", "order", "inner")
        read = {slot.name: slot for slot in slots(QueryPlan)}
        dimensions = self._value(QueryPlan, read["dimensions"], self._draft) or ()
        measures = self._value(QueryPlan, read["measures"], self._draft) or ()
        others = {
            slot.field: value
            for name, slot in read.items()
            if name not in special and (value := self._value(QueryPlan, slot, self._draft)) is not None
        }
        table, inner = self._joining.table, self._inner
        draft = QueryPlan("", table, measures=measures, dimensions=dimensions, inner=inner, **others)
        if draft.cohort is not None:
            return self._cohort(draft, draft.cohort)
        if self._rows or (inner is not None and not measures):
            raise Misfit("inner has a cohort that makes rows, and the plan around it measures")
        if not dimensions and not measures:
            raise Misfit("a plan needs measures, dimensions or both")
        listed = not measures
        if listed and any(d.grain or d.part for d in dimensions):
            raise Misfit("a list shows times as they are stored; leave grain and part out, or add a measure")
        grouped = "series" if any(d.grain for d in dimensions) else "table"
        form = "list" if listed else "scalar" if not dimensions else grouped
        made = replace(draft, form=form, joins=self._joining.joins(), distinct=draft.distinct and listed)
        made = replace(made, post=posts_of(made, self._records(QueryPlan, read["post"], self._draft)))
        made = replace(made, order=self._order(made))
        self._check(made)
        return made

    def _cohort(self, draft: QueryPlan, cohort: Cohort) -> QueryPlan:
        given = [name for name in self._draft if self._draft[name] not in (None, [], "", 0, False)]
        allowed = {"table", "joins", "filters", "windows", "cohort"}
        allowed |= {"limit"} if cohort.kind == "member_list" else set()
        wrong = sorted(set(given) - allowed)
        if wrong:
            raise Misfit(f"a cohort brings its own columns; leave {wrong[0]} out, or write SQL")
        if (cohort.kind in ROWS) is not self._rows:
            raise Misfit(f"{', '.join(ROWS)} stand in inner, the other kinds of cohorts do not")
        shown = followed(cohort, draft.table, self._index)
        return replace(
            draft,
            form=shown.form,
            joins=self._joining.joins(),
            cohort=shown.cohort,
            measures=shown.measures,
            dimensions=shown.dimensions,
            order=shown.order,
        )

    # -- any record, as its type says

    def _known(self, kind: type, part: Part, what: str) -> None:
        names = [slot.name for slot in slots(kind)]
        unknown = sorted(set(part) - set(names), key=str)
        if unknown:
            raise Misfit(f"{what} has no field {str(unknown[0])[:40]!r}; its fields are {', '.join(names)}")

    def _record(self, kind: type[Record], part: Part, **derived: Any) -> Record:
        """A record as its type has it, with what follows from the rest."""
        self._known(kind, part, f"a {kind.__name__.lower()}")
        given: dict[str, Any] = dict(derived)
        for slot in slots(cast(type, kind)):
            if slot.field in derived:
                continue
            value = self._value(kind, slot, part)
            if value is not None:
                given[slot.field] = value
            elif slot.needed:
                raise Misfit(f"{slot.name} is missing")
        return kind(**given)

    def _records(self, kind: type, slot: Slot, part: Part) -> tuple[Any, ...]:
        assert slot.record is not None  # noqa: S101 - only lists of records are asked for
        return tuple(
            self._made(slot.record, each, kind) for each in fields.parts(part, slot.name, most(slot))
        )

    def _value(self, kind: type, slot: Slot, part: Part) -> Any:
        """One field; None where it is left out."""
        held = part.get(slot.name)
        if held is None or (held == "" and not slot.needed):
            return None
        if slot.record is not None and slot.several:
            return self._records(kind, slot, part)
        if slot.record is not None:
            if not isinstance(held, dict):
                raise Misfit(f"{slot.name} is an object")
            return self._made(slot.record, held, kind)
        if slot.several and slot.field == "later":
            return fields.counts(part, slot.name, most(slot))
        if slot.several:
            return fields.names(part, slot.name, most(slot))
        if slot.hint in (Source, Source | None):
            return self._joining.source(fields.text(part, slot.name))
        if slot.hint is bool:
            return fields.flag(part, slot.name, False)
        if slot.hint is int:
            limits = {"limit": MOST_LIMIT, "within_seconds": _MOST_SECONDS}
            return fields.whole(part, slot.name, limits.get(slot.name, 1_000))
        if slot.name == "title":
            return one_line(fields.text(part, "title"), MOST_TITLE)
        if (kind, slot.field) in ((Having, "measure"), (Order, "alias")) or slot.name == "measure":
            return fields.text(part, slot.name)
        return fields.word(part, slot.name, WORDS.get((kind, slot.field), ()), needed=slot.needed)

    def _made(self, kind: type, part: Part, owner: type) -> Any:
        """A record with what is special about its kind."""
        match kind.__name__:
            case "Measure":
                return self._measure(part, inside=owner is Measure)
            case "Dimension":
                return self._dimension(part)
            case "Filter":
                return self._filter(part)
            case "Window":
                return self._window(part)
            case "Having":
                return self._having(part)
            case "Post":
                name = self._name(part)
                return self._record(kind, part, alias=name, title=name.replace("_", " "))
            case "QueryPlan":
                if self._depth >= _MOST_DEEP:
                    raise Misfit("plans inside of plans go two deep; write SQL")
                return _Draft(part, self._index, self._depth + 1).plan()
            case _:
                return self._record(kind, part)

    # -- what is special about some

    def _name(self, part: Part, column: str = "") -> str:
        """The name of a column of the answer; only the very column it stands for may be called the same."""
        name = fields.text(part, "name")
        if not _NAME.fullmatch(name):
            raise Misfit(f"the name {name!r} is not lower case letters, digits and _ (at most 60)")
        if name in self._names:
            raise Misfit(f"two columns of the answer are named {name!r}")
        if name.casefold() in self._columns and name != column:
            raise Misfit(f"{name!r} is a column or table already; name the column of the answer differently")
        self._names.add(name)
        return name

    def _dimension(self, part: Part) -> Dimension:
        made = self._record(Dimension, part, alias="", title="")
        source, grain, piece = made.source, made.grain, made.part
        column = fields.text(part, "column")
        if grain and piece:
            raise Misfit("a dimension has a grain or a part, not both")
        timed = bool(source.calendar) or column_type(source.type).temporal
        if (grain or piece) and not timed:
            raise Misfit(f"{column} is no time; grain and part are for times")
        if source.calendar and not (grain or piece):
            raise Misfit("a date spread over columns needs a grain or a part")
        if "hour" in (grain, piece) and not self._has_hours(source):
            raise Misfit(f"{column} has no hours")
        if made.bucket and (not column_type(source.type).numeric or not _WIDTH.fullmatch(made.bucket)):
            raise Misfit(f"bucket is the width of ranges of numbers, above 0; {column} is {source.type}")
        elsewhere = source.path or source.table not in (self._joining.table, "")
        derived = grain or piece or made.bucket or elsewhere
        name = self._name(part, "" if derived else source.column)
        return replace(made, alias=name, title=name.replace("_", " "))

    @staticmethod
    def _has_hours(source: Source) -> bool:
        if source.calendar:
            return bool(source.calendar[3])
        return column_type(source.type).kind == "datetime" or source.path

    def _measure(self, part: Part, *, inside: bool) -> Measure:
        """A number; those inside of another one are no columns of the answer."""
        name = fields.text(part, "name") if inside else self._name(part)
        if not _NAME.fullmatch(name):
            raise Misfit(f"the name {name!r} is not lower case letters, digits and _ (at most 60)")
        # What is left out for a count is no column; the type wants it said.
        made = self._record(Measure, {"column": None, **part}, alias=name, title=name.replace("_", " "),
                            **({} if part.get("column") else {"source": None}))  # fmt: skip
        check_measure(made, inside=inside)
        return replace(made, unit=self._unit(made))

    def _unit(self, measure: Measure) -> str:
        source, function = measure.source, measure.function
        if function in ("share", "percent", "percentage", "growth"):
            return "percent"
        if measure.since is not None:
            return f"{measure.grain}s"
        if function == "difference":
            return measure.parts[0].unit if measure.parts[0].unit == measure.parts[1].unit else ""
        if source is None or source.calendar or function in ("count", "count_distinct", "variance"):
            return ""
        role = self._index.roles.get((source.table, source.column))  # every table goes by its own name
        return role.unit if role is not None else ""

    def _filter(self, part: Part) -> Filter:
        operator = fields.word(part, "operator", WORDS[(Filter, "operator")], needed=True)
        if operator in ("any", "all"):
            made = self._record(Filter, part, source=Source(""), values=())
            if len(made.options) < 2 or part.get("values"):
                raise Misfit(f"{operator} joins 2 or more options and takes no values")
            return replace(made, source=made.options[0].source)
        column = fields.text(part, "column")
        made = self._record(Filter, part, values=())
        if made.options:
            raise Misfit("options are for the operators any and all")
        if made.query is not None or operator in QUERIES:
            return looked_up(made, part)
        values = fields.values_of(part, operator)
        kind, source = column_type(made.source.type), made.source
        if made.part:
            return self._of_part(made, values, column)
        if source.calendar or (kind.temporal and operator not in ("is_null", "not_null")):
            raise Misfit(f"{column} is a time: say when in windows, not in filters")
        if operator in ("is_true", "is_false") and kind.kind != "bool":
            raise Misfit(f"{column} is {source.type}, not Bool")
        if operator.removeprefix("not_") in _TEXTS and (kind.kind != "text" or not values[0]):
            raise Misfit(f"{operator} looks for letters in a text; {column} is {source.type}")
        fields.check_numbers(kind.numeric, values, column)
        if kind.kind == "bool" and values:
            raise Misfit(f"{column} is Bool: use is_true or is_false")
        return replace(made, values=values, numeric=kind.numeric and bool(values))

    def _of_part(self, made: Filter, values: tuple[str, ...], column: str) -> Filter:
        """A repeating part of a time, compared with numbers; the weekend is two weekdays."""
        timed = bool(made.source.calendar) or column_type(made.source.type).temporal
        if not timed or (made.part == "hour" and not self._has_hours(made.source)):
            raise Misfit(f"{column} has no {made.part}")
        if made.part == "weekend" or made.operator.removeprefix("not_") in _TEXTS:
            raise Misfit("a part is compared with whole numbers; for weekends use weekday, 1 being Monday")
        if not values or any(not _PART.fullmatch(value) for value in values):
            raise Misfit(f"the {made.part} of {column} is a whole number")
        if made.part == "weekday" and any(not 1 <= int(value) <= 7 for value in values):
            raise Misfit("weekdays are 1 (Monday) to 7")
        return replace(made, values=values, numeric=True)

    def _window(self, part: Part) -> Window:
        column = fields.text(part, "column")
        start, end = fields.moment(part, "start"), fields.moment(part, "end")
        words = ", ".join(filter(None, (f"from {start}" if start else "", f"before {end}" if end else "")))
        made = self._record(Window, part, start=start, end=end, timezone="UTC", words=words)
        if not made.source.calendar and not column_type(made.source.type).temporal:
            raise Misfit(f"{column} is no time; windows are for times")
        if not start and not end:
            raise Misfit("a window needs a start, an end or both")
        if start and end and fields.when(start) >= fields.when(end):
            raise Misfit(f"the window ends at {end}, which is not after its start {start}")
        return made

    def _having(self, part: Part) -> Having:
        operator = fields.word(part, "operator", WORDS[(Having, "operator")], needed=True)
        values = fields.values_of(part, operator)
        if any(not fields.NUMBER.fullmatch(value) for value in values):
            raise Misfit("having compares with numbers")
        return self._record(Having, part, values=values)

    def _check(self, plan: QueryPlan) -> None:
        """That the parts of a plan fit together."""
        for having in plan.having:
            if having.measure not in {measure.alias for measure in plan.measures}:
                raise Misfit(f"having speaks of {having.measure!r}, which is none of the measures' names")
        if plan.outer and (not plan.dimensions or len(plan.measures) != 1 or plan.post):
            raise Misfit("outer folds groups with exactly one measure, and nothing over its rows")
        keys = {dimension.alias for dimension in plan.dimensions}
        if plan.limit_by and (
            not plan.limit or not set(plan.limit_by) < keys or not plan.measures or plan.post or plan.outer
        ):
            raise Misfit("limit_by names some of several dimensions of groups, and needs a limit")
        if plan.tied and (plan.limit != 1 or not plan.order or plan.limit_by or plan.post):
            raise Misfit("tied is for the one first group: it needs limit 1 and an order")

    def _order(self, plan: QueryPlan) -> tuple[Order, ...]:
        """The order asked for, made whole by the other columns, so that the same rows come each time."""
        dimensions, measures = plan.dimensions, plan.measures
        names = [d.alias for d in dimensions] + [m.alias for m in measures] + [p.alias for p in plan.post]
        asked: list[Order] = []
        for part in fields.parts(self._draft, "order", 20):
            order = self._record(Order, part, descending=fields.flag(part, "descending", False))
            if order.alias not in names:
                raise Misfit(f"order speaks of {order.alias!r}, which is no column of the answer")
            asked.append(order)
        if plan.form == "scalar":
            return ()
        if not asked and plan.form == "series":
            asked = [Order(d.alias, False) for d in sorted(dimensions, key=lambda d: bool(d.grain))]
            asked = asked if plan.post else [order for order in asked if order.alias in _grained(plan)]
        if not asked and measures:
            asked = [Order(measures[0].alias, True)]
        if not asked and not plan.limit:
            return ()
        known = {order.alias for order in asked}
        return (*asked, *(Order(d.alias, False) for d in dimensions if d.alias not in known))


def _grained(plan: QueryPlan) -> set[str]:
    return {dimension.alias for dimension in plan.dimensions if dimension.grain}
