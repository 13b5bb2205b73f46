"""Rows made of the rows of subjects, as SQL: sessions, ways from a first event to a later one, gaps.

Each is the inner query of a plan that computes numbers over it. What is fixed here are the names of its
columns, all of which end in an underscore or a number, so that they capture no column of the data.
"""

from __future__ import annotations

from dataclasses import replace

from .columntypes import column_type
from .plan import Cohort, Filter, QueryPlan, Step
from .sql_measures import Expressions
from .sql_names import identifier, literal, select

_WHOLE = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
_RUNNING = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"


def followed_sql(emitter: Expressions, plan: QueryPlan, cohort: Cohort) -> str:
    """The SELECT of a cohort that is made of rows."""
    made = _Followed(emitter, plan, cohort)
    return {
        "session_list": made.sessions,
        "follow_list": made.follows,
        "gap_list": made.gaps,
        "row_list": made.rows,
    }[cohort.kind]()


def held(emitter: Expressions, step: Step) -> str:
    """Whether a row is a step; no where nothing is known: a NULL would hide the row from functions of several
    conditions."""
    text = emitter.conditions(step.filters, step.windows)
    unknown = any(_may_be_null(f) for f in step.filters) or any(
        w.source.path or column_type(w.source.type).nullable for w in step.windows
    )
    return f"ifNull({text}, 0)" if text and unknown else text


def _may_be_null(condition: Filter) -> bool:
    source = condition.source
    return source.path or column_type(source.type).nullable or any(map(_may_be_null, condition.options))


class _Followed:
    """Writes the rows of one cohort."""

    def __init__(self, emitter: Expressions, plan: QueryPlan, cohort: Cohort) -> None:
        self._emitter = emitter
        self._plan = plan
        self._cohort = cohort
        self._subject = emitter.source(cohort.subject)
        self._time = emitter.source(cohort.time)
        self._groups = [identifier(d.alias) for d in cohort.groups]

    def _select(self, columns: str, *clauses: str) -> str:
        """A SELECT over the rows that are looked at, with the columns that tell groups apart."""
        groups = [f"{self._emitter.dimension(d)} AS {identifier(d.alias)}" for d in self._cohort.groups]
        return select(", ".join([columns, *groups]), self._emitter.rows(), self._where(), *clauses)

    def _where(self) -> str:
        clauses = [self._emitter.conditions(self._plan.filters, self._plan.windows)]
        for source in (self._cohort.subject, self._cohort.session):
            if source is not None and (column_type(source.type).nullable or source.path):
                clauses.append(f"isNotNull({self._emitter.source(source)})")
        held = " AND ".join(clause for clause in clauses if clause)
        return f"WHERE {held}" if held else ""

    def _is(self, step: Step) -> str:
        return held(self._emitter, step) or "1"

    def _first_groups(self, when: str = "moment_") -> list[str]:
        """The groups of a subject or session: those of its first row that has any."""
        return [f"argMin({alias}, {when}) AS first_{place}_" for place, alias in enumerate(self._groups, 1)]

    def _named_groups(self) -> list[str]:
        return [f"first_{place}_ AS {alias}" for place, alias in enumerate(self._groups, 1)]

    def sessions(self) -> str:
        """One row a session."""
        flags = [f"{self._is(step)} AS did_{n}_" for n, step in enumerate(self._cohort.steps, 1)]
        done = [f"max(did_{n}_) AS back_{n}" for n, _ in enumerate(self._cohort.steps, 1)]
        counted = ["min(moment_) AS start_", "max(moment_) AS end_", "count() AS rows_"]
        shown = [*counted, *done, *self._first_groups()]
        if self._cohort.session is not None:
            key = self._emitter.source(self._cohort.session)
            rows = self._select(
                ", ".join(
                    [f"{self._subject} AS who_", f"{key} AS session_", f"{self._time} AS moment_", *flags]
                )
            )
            shown = ["argMin(who_, moment_) AS subject_", *shown]
            each = select(", ".join(shown), f"({rows})", "GROUP BY session_")
        else:
            before = (
                f"lagInFrame(toNullable({self._time})) OVER "
                f"(PARTITION BY {self._subject} ORDER BY {self._time} {_WHOLE}) AS before_"
            )
            columns = [f"{self._subject} AS subject_", f"{self._time} AS moment_", before, *flags]
            rows = self._select(", ".join(columns))
            gap = f"isNull(before_) OR dateDiff('second', before_, moment_) > {self._cohort.within_seconds}"
            number = f"sum({gap}) OVER (PARTITION BY subject_ ORDER BY moment_ {_RUNNING}) AS session_"
            numbered = select(f"*, {number}", f"({rows})")
            each = select(", ".join(["subject_", *shown]), f"({numbered})", "GROUP BY subject_, session_")
        return self._renamed(each, ["subject_", "start_", "end_", "rows_", *self._backs()])

    def _backs(self) -> list[str]:
        return [f"back_{n}" for n, _ in enumerate(self._cohort.steps, 1)]

    def _renamed(self, each: str, columns: list[str]) -> str:
        """The same rows with their groups under the names that the plan has for them."""
        if not self._groups:
            return each
        return select(", ".join([*columns, *self._named_groups()]), f"({each})")

    def follows(self) -> str:
        """One row a subject that did the first step."""
        cohort = self._cohort
        first, second = (self._is(step) for step in cohort.steps)
        begun = (
            f"min(if({first}, {self._time}, NULL)) OVER (PARTITION BY {self._subject})"
            if cohort.start is None
            else self._emitter.source(cohort.start)
        )
        rows = self._select(
            f"{self._subject} AS subject_, {self._time} AS moment_, ({second}) AS did_, {begun} AS begun_"
        )
        same = cohort.start is None and self._alike()
        then = "did_ AND moment_ > begun_" if same or cohort.within_seconds else "did_ AND moment_ >= begun_"
        columns = [
            "subject_", "any(begun_) AS start_", f"minOrNullIf(moment_, {then}) AS end_",
            *self._returns(then), *self._first_groups(),
        ]  # fmt: skip
        each = select(", ".join(columns), f"({rows})", "WHERE isNotNull(begun_) GROUP BY subject_")
        shown = ["subject_", "assumeNotNull(start_) AS start_", "end_"]
        shown += [f"back_{n}" for n, _ in enumerate(self._returns(then), 1)]
        return select(", ".join([*shown, *self._named_groups()]), f"({each})")

    def _alike(self) -> bool:
        first, second = self._cohort.steps
        return (first.filters, first.windows) == (second.filters, second.windows) or not second.filters

    def _returns(self, then: str) -> list[str]:
        """Whether a subject came back: within some time, or so many steps of the calendar later."""
        cohort = self._cohort
        if cohort.within_seconds and self._dated():
            near = f"{self._steps('day')} BETWEEN 1 AND {cohort.within_seconds // 86_400}"
            return [f"max(did_ AND {near}) AS back_1"]
        if cohort.within_seconds:
            near = f"dateDiff('second', assumeNotNull(begun_), moment_) <= {cohort.within_seconds}"
            return [f"max({then} AND {near}) AS back_1"]
        return [
            f"max(did_ AND {self._steps(cohort.grain)} = {later}) AS back_{n}"
            for n, later in enumerate(cohort.later, 1)
        ]

    def _dated(self) -> bool:
        """Whether the start or what comes later is told by days alone."""
        ends = (self._cohort.time, self._cohort.start or self._cohort.time)
        return any(column_type(end.type).kind == "date" for end in ends)

    def _steps(self, grain: str) -> str:
        """How many steps of the calendar lie between the start and a row."""
        begun = replace(self._cohort.start or self._cohort.time, table="", column="begun_", path=False)
        moment = replace(self._cohort.time, table="", column="moment_", path=False)
        first, last = (self._emitter.moment(end, grain) for end in (begun, moment))
        return f"dateDiff({literal(grain)}, assumeNotNull({first}), {last})"

    def gaps(self) -> str:
        """One row for each row of a subject but its first."""
        rows_ = f"PARTITION BY {self._subject} ORDER BY {self._time}"
        before = f"lagInFrame(toNullable({self._time})) OVER ({rows_} {_WHOLE}) AS was_"
        number = f"row_number() OVER ({rows_}) AS nth_"
        rows = self._select(f"{self._subject} AS subject_, {before}, {self._time} AS moment_, {number}")
        columns = ["subject_", "assumeNotNull(was_) AS before_", "moment_", "nth_", *self._groups]
        return select(", ".join(columns), f"({rows})", "WHERE isNotNull(was_)")

    def rows(self) -> str:
        """Each row with the first time of its subject."""
        first = f"min({self._time}) OVER (PARTITION BY {self._subject}) AS first_"
        rows = self._select(f"{self._subject} AS subject_, {self._time} AS moment_, {first}")
        if not self._cohort.grain:
            return rows
        ends = (
            replace(self._cohort.time, table="", column=name, path=False) for name in ("first_", "moment_")
        )
        first, moment = (self._emitter.moment(end, self._cohort.grain) for end in ends)
        return select(f"*, {first} = {moment} AS new_", f"({rows})")
