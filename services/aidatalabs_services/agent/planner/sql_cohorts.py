"""Subjects followed over their rows, as SQL: funnels, members, retention.

Aliases of the inner queries end in an underscore, so that they capture no column.
"""

from __future__ import annotations

from collections.abc import Callable

from .columntypes import column_type
from .plan import Cohort, Dimension, QueryPlan, Step
from .sql_followed import held
from .sql_measures import Expressions
from .sql_names import identifier, literal, select

_EVER_SECONDS = 100 * 366 * 86_400
_SIGNS = {"ge": ">=", "gt": ">", "eq": "=", "lt": "<", "le": "<="}


def cohort_sql(emitter: Expressions, plan: QueryPlan, cohort: Cohort) -> str:
    """The SELECT of a cohort; its result columns are named by the plan's measures and dimensions."""
    writers: dict[str, Callable[[_Cohorts], str]] = {
        "funnel": _Cohorts.funnel,
        "members": _Cohorts.members,
        "member_share": _Cohorts.member_share,
        "member_list": _Cohorts.member_list,
        "retention": _Cohorts.retention,
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
        self._groups = [identifier(d.alias) for d in cohort.groups]

    def _rows(self, columns: str, *clauses: str) -> str:
        """A SELECT over the rows that are looked at."""
        return select(columns, self._read(), self._where(), *clauses)

    def _where(self) -> str:
        clauses = [self._emitter.conditions(self._plan.filters, self._plan.windows)]
        if column_type(self._cohort.subject.type).nullable or self._cohort.subject.path:
            clauses.append(f"isNotNull({self._subject})")
        held = " AND ".join(clause for clause in clauses if clause)
        return f"WHERE {held}" if held else ""

    def _is(self, step: Step) -> str:
        """Whether a row is this step."""
        return held(self._emitter, step)

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
        """One row for each subject, and for each group that it has rows in."""
        groups = [
            f"{self._known(group)} AS {alias}"
            for group, alias in zip(self._cohort.groups, self._groups, strict=True)
        ]
        shown = ", ".join(part for part in (f"{self._subject} AS subject_", *groups, columns) if part)
        return self._rows(shown, f"GROUP BY {', '.join(['subject_', *self._groups])}")

    def _known(self, group: Dimension) -> str:
        """The group of a row; one that tells none is in the subject's own, by the first row that tells it."""
        text = self._emitter.dimension(group)
        if not self._unsure(group):
            return text
        return f"ifNull({text}, own_{self._cohort.groups.index(group) + 1}_)"

    def _unsure(self, group: Dimension) -> bool:
        """Whether rows may not tell their group, where it can be looked up in the subject's others."""
        known = not (group.source.path or column_type(group.source.type).nullable)
        return not known and not self._plan.joins

    def _read(self) -> str:
        """The tables that are read, with the groups of subjects whose rows do not all tell them."""
        own = [
            f"argMinOrNull({self._emitter.dimension(group)}, {self._time}) "
            f"OVER (PARTITION BY {self._subject}) AS own_{place}_"
            for place, group in enumerate(self._cohort.groups, 1)
            if self._unsure(group)
        ]
        rows = self._emitter.rows()
        return f"({select(', '.join(['*', *own]), rows)})" if own else rows

    def _told(self, number: str, each: str) -> str:
        """A number over the subjects, for each of the groups if there are any."""
        if not self._groups:
            return select(number, f"({each})")
        order = [f"{identifier(o.alias)}{' DESC' if o.descending else ''}" for o in self._plan.order]
        return select(
            ", ".join([*self._groups, number]),
            f"({each})",
            f"GROUP BY {', '.join(self._groups)}",
            f"ORDER BY {', '.join(order or self._groups)}",
            f"LIMIT {self._plan.limit}" if self._plan.limit else "",
        )

    def _steps(self) -> tuple[str, list[str]]:
        """The columns of each subject, and for each step the condition that it and all before were done."""
        places = range(1, len(self._cohort.steps) + 1)
        if self._cohort.ordered:
            return f"{self._level()} AS level_", [f"level_ >= {place}" for place in places]
        columns = [f"{self._did(step)} AS step_{n}_" for n, step in enumerate(self._cohort.steps, 1)]
        return ", ".join(columns), [" AND ".join(f"step_{n}_" for n in range(1, p + 1)) for p in places]

    def funnel(self) -> str:
        columns, reached = self._steps()
        lost = len(self._aliases) > 2
        names = [literal(step.title) for step in self._cohort.steps]
        rows = ", ".join(
            f"tuple({place}, {name}, countIf({held}), countIf({reached[0]})"
            + (f", countIf({reached[max(place - 2, 0)]}) - countIf({held}))" if lost else ")")
            for place, (name, held) in enumerate(zip(names, reached, strict=True), 1)
        )
        number, title = (identifier(d.alias) for d in self._plan.dimensions[-2:])
        count, share = self._aliases[:2]
        shown = [
            *self._groups,
            f"tupleElement(row_, 1) AS {number}, tupleElement(row_, 2) AS {title}, "
            f"tupleElement(row_, 3) AS {count}, "
            f"100 * tupleElement(row_, 3) / nullIf(tupleElement(row_, 4), 0) AS {share}",
        ]
        if len(self._aliases) > 2:
            shown.append(f"tupleElement(row_, 5) AS {self._aliases[2]}")
            shown.append(
                f"100 * tupleElement(row_, 5) / nullIf(tupleElement(row_, 5) + tupleElement(row_, 3), 0) "
                f"AS {self._aliases[3]}"
            )
        grouped = f"GROUP BY {', '.join(self._groups)}" if self._groups else ""
        inner = ", ".join([*self._groups, f"arrayJoin([{rows}]) AS row_"])
        unfolded = select(inner, f"({self._per_subject(columns)})", grouped)
        return select(", ".join(shown), f"({unfolded})", f"ORDER BY {', '.join([*self._groups, number])}")

    def members(self) -> str:
        columns, reached = self._steps()
        return self._told(f"countIf({reached[-1]}) AS {self._aliases[0]}", self._per_subject(columns))

    def member_share(self) -> str:
        columns, reached = self._steps()
        whole = self._cohort.whole
        part, all_of = f"countIf({reached[-1]})", f"countIf({reached[whole - 1]})" if whole else "count()"
        share = f"100 * {part} / nullIf({all_of}, 0)"
        return self._told(f"{share} AS {self._aliases[0]}", self._per_subject(columns))

    def member_list(self) -> str:
        columns, reached = self._steps()
        subject = identifier(self._plan.dimensions[0].alias)
        limit = f"LIMIT {self._plan.limit}" if self._plan.limit else ""
        order = f"WHERE {reached[-1]} ORDER BY {subject}"
        return select(f"subject_ AS {subject}", f"({self._per_subject(columns)})", order, limit)

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
