"""Subjects followed over their rows, as SQL: funnels, members, retention, spans of time, sessions.

Aliases of the inner queries end in an underscore, so that they capture no column.
"""

from __future__ import annotations

from collections.abc import Callable

from .columntypes import column_type
from .plan import Cohort, QueryPlan, Source, Step
from .sql_measures import Expressions, between
from .sql_names import identifier, literal, select

_EVER_SECONDS = 100 * 366 * 86_400
_FOLDS = {
    "avg": "avgOrNull",
    "median": "quantileExactInclusiveOrNull(0.5)",
    "min": "minOrNull",
    "max": "maxOrNull",
}
_SIGNS = {"ge": ">=", "gt": ">", "eq": "=", "lt": "<", "le": "<="}


def cohort_sql(emitter: Expressions, plan: QueryPlan, cohort: Cohort) -> str:
    """The SELECT of a cohort; its result columns are named by the plan's measures and dimensions."""
    writers: dict[str, Callable[[_Cohorts], str]] = {
        "funnel": _Cohorts.funnel,
        "members": _Cohorts.members,
        "member_share": _Cohorts.member_share,
        "member_list": _Cohorts.member_list,
        "span": _Cohorts.span,
        "retention": _Cohorts.retention,
        "sessions": _Cohorts.sessions,
    }
    return writers[cohort.kind](_Cohorts(emitter, plan, cohort))


class _Cohorts:
    """Writes one cohort."""

    def __init__(self, emitter: Expressions, plan: QueryPlan, cohort: Cohort) -> None:
        self._emitter = emitter
        self._plan = plan
        self._cohort = cohort
        self._subject = emitter.source(cohort.subject)
        self._time = emitter.source(cohort.time)
        self._aliases = [identifier(m.alias) for m in plan.measures]

    def _rows(self, columns: str, *clauses: str) -> str:
        """A SELECT over the rows that are looked at."""
        return select(columns, self._emitter.rows(), self._where(), *clauses)

    def _where(self) -> str:
        clauses = [self._emitter.conditions(self._plan.filters, self._plan.windows)]
        if column_type(self._cohort.subject.type).nullable or self._cohort.subject.path:
            clauses.append(f"isNotNull({self._subject})")
        held = " AND ".join(clause for clause in clauses if clause)
        return f"WHERE {held}" if held else ""

    def _is(self, step: Step) -> str:
        """Whether a row is this step."""
        return self._emitter.conditions(step.filters, step.windows)

    def _did(self, step: Step) -> str:
        """Whether a subject did this step as often as asked, over all of its rows."""
        held = self._is(step)
        if step.grain:
            times = self._emitter.moment(self._cohort.time, step.grain)
            count = f"uniqExactIf({times}, {held})" if held else f"uniqExact({times})"
        else:
            count = f"countIf({held})" if held else "count()"
        return f"{count} {_SIGNS[step.operator]} {step.times}"

    def _level(self) -> str:
        """How many of the steps a subject did in their order, each later than the one before."""
        cohort, steps = self._cohort, ", ".join(self._is(s) or "1" for s in self._cohort.steps)
        kind = column_type(cohort.time.type)
        seconds = cohort.within_seconds or _EVER_SECONDS
        if kind.kind == "datetime" and kind.precision:
            when = f"toUInt64(toUnixTimestamp64Milli(toDateTime64({self._time}, 3)))"
            return f"windowFunnel({seconds * 1_000}, 'strict_increase')({when}, {steps})"
        when = f"toUInt64(toUnixTimestamp(toDateTime({self._time})))"
        strict = ", 'strict_increase'" if kind.kind == "datetime" else ""  # a day may hold several steps
        return f"windowFunnel({seconds}{strict})({when}, {steps})"

    def _per_subject(self, columns: str) -> str:
        """One row for each subject."""
        shown = ", ".join(part for part in (f"{self._subject} AS subject_", columns) if part)
        return self._rows(shown, "GROUP BY subject_")

    def _steps(self) -> tuple[str, list[str]]:
        """The columns of each subject, and for each step the condition that it and all before were done."""
        places = range(1, len(self._cohort.steps) + 1)
        if self._cohort.ordered:
            return f"{self._level()} AS level_", [f"level_ >= {place}" for place in places]
        columns = [f"{self._did(step)} AS step_{n}_" for n, step in enumerate(self._cohort.steps, 1)]
        return ", ".join(columns), [" AND ".join(f"step_{n}_" for n in range(1, p + 1)) for p in places]

    def funnel(self) -> str:
        columns, reached = self._steps()
        names = [literal(step.title) for step in self._cohort.steps]
        rows = ", ".join(
            f"tuple({place}, {name}, countIf({held}), countIf({reached[0]}))"
            for place, (name, held) in enumerate(zip(names, reached, strict=True), 1)
        )
        number, title = (identifier(d.alias) for d in self._plan.dimensions)
        count, share = self._aliases
        shown = (
            f"tupleElement(row_, 1) AS {number}, tupleElement(row_, 2) AS {title}, "
            f"tupleElement(row_, 3) AS {count}, "
            f"100 * tupleElement(row_, 3) / nullIf(tupleElement(row_, 4), 0) AS {share}"
        )
        unfolded = select(f"arrayJoin([{rows}]) AS row_", f"({self._per_subject(columns)})")
        return select(shown, f"({unfolded})", f"ORDER BY {number}")

    def members(self) -> str:
        columns, reached = self._steps()
        return select(f"countIf({reached[-1]}) AS {self._aliases[0]}", f"({self._per_subject(columns)})")

    def member_share(self) -> str:
        columns, reached = self._steps()
        whole = self._cohort.whole
        part, all_of = f"countIf({reached[-1]})", f"countIf({reached[whole - 1]})" if whole else "count()"
        share = f"100 * {part} / nullIf({all_of}, 0)"
        return select(f"{share} AS {self._aliases[0]}", f"({self._per_subject(columns)})")

    def member_list(self) -> str:
        columns, reached = self._steps()
        subject = identifier(self._plan.dimensions[0].alias)
        limit = f"LIMIT {self._plan.limit}" if self._plan.limit else ""
        order = f"WHERE {reached[-1]} ORDER BY {subject}"
        return select(f"subject_ AS {subject}", f"({self._per_subject(columns)})", order, limit)

    def span(self) -> str:
        first, second = (self._is(step) or "1" for step in self._cohort.steps)
        begun = f"min(if({first}, {self._time}, NULL)) OVER (PARTITION BY {self._subject}) AS begun_"
        rows = self._rows(
            f"{self._subject} AS subject_, {self._time} AS moment_, {second} AS ended_, {begun}"
        )
        later = "moment_ > begun_" if self._same_steps() else "moment_ >= begun_"
        ends = f"any(begun_) AS start_, minOrNullIf(moment_, ended_ AND {later}) AS end_"
        each = select(f"subject_, {ends}", f"({rows})", "GROUP BY subject_")
        length = self._length("assumeNotNull(start_)", "assumeNotNull(end_)")
        known = select("*", f"({each})", "WHERE isNotNull(start_) AND isNotNull(end_)")
        return select(f"{_FOLDS[self._cohort.fold]}({length}) AS {self._aliases[0]}", f"({known})")

    def _same_steps(self) -> bool:
        first, second = self._cohort.steps
        return (first.filters, first.windows) == (second.filters, second.windows)

    def _length(self, start: str, end: str) -> str:
        zone = self._emitter.zone_of(self._cohort.time)
        return between(start, end, self._cohort.unit, zone)

    def retention(self) -> str:
        first, second = (self._is(step) or "1" for step in self._cohort.steps)
        grain = self._cohort.grain
        begun = f"min(if({first}, {self._emitter.moment(self._cohort.time, grain)}, NULL))"
        step = self._emitter.moment(self._cohort.time, grain)
        rows = self._rows(
            f"{self._subject} AS subject_, {step} AS moment_, {second} AS back_, "
            f"{begun} OVER (PARTITION BY {self._subject}) AS begun_"
        )
        start, later = (identifier(d.alias) for d in self._plan.dimensions)
        size, count, share = self._aliases
        distance = f"dateDiff({literal(grain)}, assumeNotNull(begun_), moment_)"
        shown = f"begun_ AS {start}, {distance} AS {later}, uniqExactIf(subject_, back_) AS {count}"
        each = select(shown, f"({rows})", f"WHERE begun_ <= moment_ GROUP BY {start}, {later}")
        sizes = select(
            f"begun_, uniqExact(subject_) AS {size}", f"({rows})", "WHERE isNotNull(begun_) GROUP BY begun_"
        )
        return select(
            f"{start}, {later}, {size}, {count}, 100 * {count} / {size} AS {share}",
            f"({each}) AS returns_ INNER JOIN ({sizes}) AS sizes_ ON returns_.{start} = sizes_.begun_",
            f"WHERE {count} > 0 ORDER BY {start}, {later}",
        )

    def sessions(self) -> str:
        subject, time = self._subject, self._time
        whole = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
        before = f"lagInFrame(toNullable({time})) OVER (PARTITION BY {subject} ORDER BY {time} {whole})"
        rows = self._rows(f"{subject} AS subject_, {time} AS moment_, {before} AS before_")
        gap = f"isNull(before_) OR dateDiff('second', before_, moment_) > {self._cohort.within_seconds}"
        running = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
        number = f"sum({gap}) OVER (PARTITION BY subject_ ORDER BY moment_ {running}) AS session_"
        numbered = select(f"subject_, moment_, {number}", f"({rows})")
        shown = "subject_, min(moment_) AS start_, max(moment_) AS end_, count() AS rows_"
        each = select(shown, f"({numbered})", "GROUP BY subject_, session_")
        folds = {
            "count": "count()",
            "avg_rows": "avgOrNull(rows_)",
            "avg_seconds": "avgOrNull(dateDiff('second', start_, end_))",
            "avg_minutes": "avgOrNull(dateDiff('second', start_, end_)) / 60",
            "per_subject": "count() / nullIf(uniqExact(subject_), 0)",
        }
        fold = f"{folds[self._cohort.fold]} AS {self._aliases[0]}"
        if not self._cohort.grain:
            return select(fold, f"({each})")
        step = identifier(self._plan.dimensions[0].alias)
        started = self._emitter.moment(Source("", "start_", self._cohort.time.type), self._cohort.grain)
        return select(f"{started} AS {step}, {fold}", f"({each})", f"GROUP BY {step} ORDER BY {step}")
