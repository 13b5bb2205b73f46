"""A query plan written as one ClickHouse SELECT: unqualified tables, plain functions, literals only."""

from __future__ import annotations

from .columntypes import column_type
from .plan import OR_UNKNOWN, Dimension, Filter, Having, Measure, QueryPlan, Source, Window
from .sql_cohorts import cohort_sql
from .sql_followed import followed_sql
from .sql_measures import FOLDS, divided, filling, length_of_time, measure_sql, over_rows, stepped
from .sql_names import identifier, literal

_COMPARE = {"eq": "=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_PARTS = {
    "hour": "toHour",
    "month": "toMonth",
    "day": "toDayOfMonth",
    "quarter": "toQuarter",
    "year": "toYear",
}


def emit(plan: QueryPlan) -> str:
    """The SELECT of a plan; the same plan always gives the same text."""
    return _Emitter(plan).query()


class _Emitter:
    """Writes one plan."""

    def __init__(self, plan: QueryPlan) -> None:
        self._plan = plan
        self._qualified = bool(plan.joins)

    def query(self) -> str:
        plan = self._plan
        if (
            plan.cohort is not None
            and plan.cohort.kind.endswith("_list")
            and plan.cohort.kind != "member_list"
        ):
            return followed_sql(self, plan, plan.cohort)
        if plan.cohort is not None:
            return cohort_sql(self, plan, plan.cohort)
        inner = self._select()
        if plan.divisor is not None:
            return divided(plan, inner, emit(plan.divisor))
        if plan.post:
            return over_rows(plan, inner)
        if plan.outer in FOLDS:
            measure = identifier(plan.measures[0].alias)
            word, function = FOLDS[plan.outer]
            folded = identifier(f"{word}_{plan.measures[0].alias}")
            return " ".join(("SELECT", f"{function}({measure}) AS {folded}", "FROM", f"({inner})"))
        if plan.outer == "count":
            return " ".join(("SELECT", "count() AS number_of_groups", "FROM", f"({inner})"))
        return inner

    def _select(self) -> str:
        plan = self._plan
        columns = [f"{self.dimension(d)} AS {identifier(d.alias)}" for d in plan.dimensions]
        columns = [self._unalias(column) for column in columns]
        zeroed = {post.measure for post in plan.post if post.zero}
        zeroed |= {measure.alias for measure in plan.measures if plan.filled}
        for measure in plan.measures:
            text = self.measure(measure)
            text = f"ifNull({text}, 0)" if measure.alias in zeroed and measure.function == "sum" else text
            columns.append(f"{text} AS {identifier(measure.alias)}")
        if plan.tied and not plan.distinct:
            columns.append(f"count() OVER (PARTITION BY {self._first_ordered()}) AS tied_rows")
        parts = [f"SELECT {'DISTINCT ' if plan.distinct else ''}{', '.join(columns)}", f"FROM {self.rows()}"]
        conditions = self.conditions(plan.filters, plan.windows)
        if conditions:
            parts.append("WHERE " + conditions)
        if plan.dimensions and plan.form != "list":
            parts.append("GROUP BY " + ", ".join(identifier(d.alias) for d in plan.dimensions))
        if plan.having:
            parts.append("HAVING " + " AND ".join(self.having(h) for h in plan.having))
        if plan.post:
            return " ".join([*parts, *filling(plan)])
        if plan.filled:
            return " ".join([*parts, *stepped(plan, self._zone)])
        if plan.divisor is not None:
            return " ".join(parts)
        if plan.order and not plan.outer:
            keys = [f"{identifier(o.alias)}{' DESC' if o.descending else ''}" for o in plan.order]
            parts.append("ORDER BY " + ", ".join(keys))
        if plan.limit and not plan.outer:
            each = f" BY {', '.join(identifier(alias) for alias in plan.limit_by)}" if plan.limit_by else ""
            parts.append(f"LIMIT {plan.limit}{each}{' WITH TIES' if self._all_tied() else ''}")
        return " ".join(parts)

    def _all_tied(self) -> bool:
        """Whether all rows that share the first place are listed: they are ordered by nothing else."""
        plan = self._plan
        listed = plan.form == "list" and plan.tied and not plan.distinct
        return listed and plan.limit == 1 and len(plan.order) == 1 < len(plan.dimensions)

    def conditions(self, filters: tuple[Filter, ...], windows: tuple[Window, ...]) -> str:
        """Filters and windows as one condition, empty where there are none."""
        clauses = [self.condition(f) for f in filters]
        return " AND ".join([*clauses, *(clause for window in windows for clause in self.window(window))])

    @staticmethod
    def _unalias(column: str) -> str:
        left, _, right = column.partition(" AS ")
        return left if left == right else column

    def _first_ordered(self) -> str:
        alias = self._plan.order[0].alias
        for measure in self._plan.measures:
            if measure.alias == alias:
                return self.measure(measure)
        return next(self.dimension(d) for d in self._plan.dimensions if d.alias == alias)

    def rows(self) -> str:
        """The tables that are read, joined; the rows of another query stand in brackets."""
        if self._plan.inner is not None:
            return f"({emit(self._plan.inner)})"
        text = identifier(self._plan.table)
        for join in self._plan.joins:
            kind = "LEFT" if join.kind == "left" else "INNER"
            alias = "" if join.alias == join.table else f" AS {identifier(join.alias)}"
            left = f"{identifier(join.left)}.{identifier(join.left_column)}"
            right = f"{identifier(join.alias)}.{identifier(join.right_column)}"
            text += f" {kind} JOIN {identifier(join.table)}{alias} ON {left} = {right}"
        return text

    def _column(self, table: str, name: str) -> str:
        return f"{identifier(table)}.{identifier(name)}" if self._qualified and table else identifier(name)

    def source(self, source: Source) -> str:
        """A source as an expression; JSON paths are typed, calendar columns become a date."""
        if source.calendar:
            return self._calendar(source, 3)
        if source.span:
            start, end, unit = source.span
            return length_of_time(self._column(source.table, start), self._column(source.table, end), unit)
        if not source.path:
            return self._column(source.table, source.column)
        path = ".".join(identifier(part) for part in source.column.split("."))
        path = f"{identifier(source.table)}.{path}" if self._qualified else path
        kind = column_type(source.type)
        if kind.numeric:
            return f"{path}::Nullable(Float64)"
        if kind.kind in ("bool", "text"):
            return path if source.declared else f"{path}.:{'Bool' if kind.kind == 'bool' else 'String'}"
        return f"{path}::Nullable(DateTime64(3))"

    def _calendar(self, source: Source, depth: int) -> str:
        """makeDate32 of the year, month and day columns down to `depth` of them, the rest being the first."""
        parts = [
            self._column(source.table, name) if name and position < depth else "1"
            for position, name in enumerate(source.calendar[:3])
        ]
        return f"makeDate32({', '.join(parts)})"

    def _zone(self, source: Source) -> str:
        return column_type(source.type).zone or self._plan.timezone

    def dimension(self, dimension: Dimension) -> str:
        """A dimension as an expression."""
        source = dimension.source
        if dimension.bucket:
            return f"floor({self.source(source)} / {dimension.bucket}) * {dimension.bucket}"
        if dimension.part:
            return self._part(source, dimension.part)
        if dimension.grain:
            return self._grain(source, dimension.grain)
        return self.source(source)

    def _part(self, source: Source, part: str) -> str:
        places = {"year": 0, "month": 1, "day": 2, "hour": 3}
        if source.calendar and part in places:
            return self._column(source.table, source.calendar[places[part]])
        text = self.source(source)
        timed = column_type(source.type).kind == "datetime" or (source.path and not source.calendar)
        zone = f", {literal(self._zone(source))}" if timed else ""
        if part in ("weekday", "weekend"):
            day = f"toDayOfWeek({text}, 0{zone})"
            return f"if({day} >= 6, 'weekend', 'weekday')" if part == "weekend" else day
        if part == "week":
            return f"toWeek({text}, 3{zone})"
        return f"{_PARTS[part]}({text}{zone})"

    def _grain(self, source: Source, grain: str) -> str:
        if source.calendar and grain == "hour":
            names = ", ".join(self._column(source.table, name) for name in source.calendar)
            return f"makeDateTime({names}, 0, 0, {literal(self._plan.timezone)})"
        if source.calendar and grain in ("day", "month", "year"):
            return self._calendar(source, {"year": 1, "month": 2, "day": 3}[grain])
        text = self.source(source)
        if source.calendar or "Date32" in source.type:
            return self._wide_grain(text, grain)
        dated = column_type(source.type).kind == "date"
        zone = "" if dated else f", {literal(self._zone(source))}"
        if grain == "day":
            return f"toDate({text}{zone})" if zone else text
        if grain == "week":
            return f"toStartOfWeek({text}, 1{zone})"
        return f"toStartOf{grain.capitalize()}({text}{zone})"

    @staticmethod
    def _wide_grain(text: str, grain: str) -> str:
        """Steps of dates that may lie before 1970, where toStartOf… would overflow."""
        if grain == "day":
            return text
        if grain == "week":
            return f"addDays({text}, 1 - toDayOfWeek({text}))"
        month = {"month": f"toMonth({text})", "quarter": f"3 * toQuarter({text}) - 2", "year": "1"}[grain]
        return f"makeDate32(toYear({text}), {month}, 1)"

    def measure(self, measure: Measure) -> str:
        """A measure as an expression."""
        return measure_sql(self, measure)

    def zone_of(self, source: Source) -> str:
        """The zone whose days a time is cut into; empty for dates."""
        return "" if column_type(source.type).kind == "date" else self._zone(source)

    def moment(self, source: Source, grain: str = "") -> str:
        """A time as an expression, cut into steps where a grain is named."""
        return self._grain(source, grain) if grain else self.source(source)

    def condition(self, condition: Filter) -> str:
        """A filter as a condition; leaving out a value keeps the rows where nothing is known."""
        operator = condition.operator
        if operator in ("any", "all"):
            joiner = " OR " if operator == "any" else " AND "
            return f"({joiner.join(self.condition(option) for option in condition.options)})"
        part = condition.part
        text = self._part(condition.source, part) if part else self.source(condition.source)
        if condition.query is not None:
            return self._looked_up(text, condition, condition.query)
        way = operator.removeprefix("not_")
        if way in ("contains", "starts", "ends"):
            return self._written(text, operator, way, condition.values[0])
        values = [value if condition.numeric else literal(value) for value in condition.values]
        if operator in ("is_null", "not_null"):
            return f"{'isNull' if operator == 'is_null' else 'isNotNull'}({text})"
        if operator in ("is_true", "is_false"):
            return f"{text} = {1 if operator == 'is_true' else 0}"
        if operator == "between":
            return f"{text} >= {values[0]} AND {text} <= {values[1]}"
        left_out = operator.endswith(OR_UNKNOWN) or (operator in ("ne", "not_in") and not condition.known)
        if operator in ("in", "not_in"):
            clause = f"{text} {'NOT IN' if operator == 'not_in' else 'IN'} ({', '.join(values)})"
        else:
            clause = f"{text} {_COMPARE[operator.removesuffix(OR_UNKNOWN)]} {values[0]}"
        unknown = column_type(condition.source.type).nullable or condition.source.path
        return f"({clause} OR isNull({text}))" if left_out and unknown else clause

    @staticmethod
    def _looked_up(text: str, condition: Filter, query: QueryPlan) -> str:
        """A value among those of another query, or compared with its one number."""
        if condition.operator in ("in_query", "not_in_query"):
            listed = emit(query)
            if query.measures:  # only the key is looked up, not the number it was limited by
                listed = " ".join(("SELECT", identifier(query.dimensions[0].alias), "FROM", f"({listed})"))
            return f"{text} {'NOT IN' if condition.operator == 'not_in_query' else 'IN'} ({listed})"
        return f"{text} {_COMPARE[condition.operator]} ({emit(query)})"

    @staticmethod
    def _written(text: str, operator: str, way: str, wanted: str) -> str:
        """A text that holds another one, in small or capital letters."""
        escaped = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        pattern = f"{'' if way == 'starts' else '%'}{escaped}{'' if way == 'ends' else '%'}"
        return f"{text} {'NOT ILIKE' if operator != way else 'ILIKE'} {literal(pattern)}"

    def having(self, having: Having) -> str:
        """A condition on a measure of each group."""
        alias = identifier(having.measure)
        if having.operator == "between":
            return f"{alias} >= {having.values[0]} AND {alias} <= {having.values[1]}"
        return f"{alias} {_COMPARE[having.operator]} {having.values[0]}"

    def window(self, window: Window) -> list[str]:
        """The bounds of a half-open window as conditions."""
        source = window.source
        kind = column_type(source.type)
        clock = "T" in window.start or "T" in window.end
        years_only = source.calendar and not source.calendar[1]
        if years_only and {window.start[4:], window.end[4:]} <= {"", "-01-01"}:
            year = self._column(source.table, source.calendar[0])
            years = [(">=", window.start[:4]), ("<", window.end[:4])]
            return [f"{year} {sign} {bound}" for sign, bound in years if bound]
        text = self._grain(source, "hour") if source.calendar and clock else self.source(source)
        bounds = [(">=", window.start), ("<", window.end)]
        return [
            f"{text} {sign} {self._bound(bound, source, kind.precision, clock)}"
            for sign, bound in bounds
            if bound
        ]

    def _bound(self, bound: str, source: Source, precision: int, clock: bool) -> str:
        if source.calendar and not clock:
            return f"toDate32({literal(bound[:10])})"
        if column_type(source.type).kind == "date":
            return f"{'toDate32' if 'Date32' in source.type else 'toDate'}({literal(bound[:10])})"
        moment = bound.replace("T", " ") if "T" in bound else f"{bound} 00:00:00"
        zone = literal(self._zone(source))
        if precision or source.path:
            return f"toDateTime64({literal(moment)}, {precision or 3}, {zone})"
        return f"toDateTime({literal(moment)}, {zone})"
