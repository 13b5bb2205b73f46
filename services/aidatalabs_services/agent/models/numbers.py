"""Numbers of a model's plan: what each function takes, and numbers over the rows of the answer."""

from __future__ import annotations

import re
from dataclasses import replace

from aidatalabs_services.agent.models.misfit import Misfit
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.plan import Dimension, Measure, Post, QueryPlan
from aidatalabs_services.agent.planner.sql_measures import PAIRS

_NUMERIC = ("sum", "avg", "median", "quantile", "stddev", "variance", "share")
_LEVEL = re.compile(r"0?\.\d{1,6}|0\.\d{1,6}|[01]")
_ADDED = ("count", "sum")
_ORDERED = ("cumulate", "moving", "moving_sum", "lag", "change", "growth")
_SIZED = ("moving", "moving_sum", "lag", "change", "growth")
_MOST_SIZE = 1_000


def check_measure(measure: Measure, *, inside: bool) -> None:
    """What a function takes, and what it does not. Raises Misfit."""
    function, source = measure.function, measure.source
    picked = bool(measure.conditions or measure.windows)
    if function in PAIRS:
        _check_pair(measure, picked=picked, inside=inside)
        return
    if measure.parts:
        raise Misfit(f"{function} takes no parts; {', '.join(sorted(PAIRS))} do")
    if inside and function in ("share", "percent"):
        raise Misfit(f"{function} cannot be a part of another number; write SQL")
    if function == "percent" and (not measure.conditions or measure.windows or source is not None):
        raise Misfit("percent takes conditions and no column: the part of the rows that fulfil them")
    if function == "share" and picked:
        raise Misfit("share takes no conditions or windows; put them into those of the plan, or write SQL")
    if function == "count" and source is not None:
        raise Misfit("count counts rows and takes no column; use count_distinct, or filter with not_null")
    if source is None and function not in ("count", "share", "percent"):
        raise Misfit(f"{function} needs a column")
    if bool(measure.level) != (function == "quantile") or (
        measure.level and not _LEVEL.fullmatch(measure.level)
    ):
        raise Misfit("level is for quantile, from 0 to 1, such as 0.95")
    _check_source(measure)


def _check_pair(measure: Measure, *, picked: bool, inside: bool) -> None:
    if inside or len(measure.parts) != 2:
        raise Misfit(f"{measure.function} takes two parts, each a plain number")
    if picked or measure.source is not None or measure.level or measure.since or measure.grain:
        raise Misfit(f"{measure.function} is made of its parts alone; put column and conditions into those")


def _check_source(measure: Measure) -> None:
    source, function = measure.source, measure.function
    if source is None:
        if measure.since is not None or measure.grain or measure.skips_empty:
            raise Misfit(f"{function} takes no since, grain or skips_empty without a column")
        return
    column, kind = f"{source.table}.{source.column}", column_type(source.type)
    if source.calendar:
        raise Misfit(f"{function} cannot be taken of a date spread over columns; write SQL")
    if measure.since is not None:
        since = column_type(measure.since.type)
        if not (kind.temporal and since.temporal) or measure.since.calendar or not measure.grain:
            raise Misfit("since is another time column, and needs a grain to measure in")
        if function in ("count_distinct", "share"):
            raise Misfit(f"{function} of a length of time makes no sense here; write SQL")
        return
    if measure.grain and (function != "count_distinct" or not kind.temporal):
        raise Misfit("grain is for count_distinct of a time, or together with since")
    if measure.grain == "hour" and kind.kind != "datetime":
        raise Misfit(f"{column} has no hours")
    if measure.grain in ("second", "minute"):
        raise Misfit(f"times are counted by hour, day, week, month, quarter or year, not {measure.grain}")
    if measure.skips_empty and kind.kind != "text":
        raise Misfit(f"skips_empty is for texts; {column} is {source.type}")
    if not kind.numeric and function in _NUMERIC:
        raise Misfit(f"{function} needs numbers; {column} is {source.type}")


def posts_of(plan: QueryPlan, posts: tuple[Post, ...]) -> tuple[Post, ...]:
    """The numbers over the rows of a plan's answer, made whole. Raises Misfit."""
    return tuple(_post(plan, post) for post in posts)


def _post(plan: QueryPlan, post: Post) -> Post:
    measure = next((one for one in plan.measures if one.alias == post.measure), None)
    if measure is None:
        raise Misfit(f"post speaks of {post.measure!r}, which is none of the measures' names")
    steps = [dimension for dimension in plan.dimensions if dimension.grain or dimension.part]
    if not plan.dimensions or (post.function in _ORDERED and len(steps) != 1):
        raise Misfit(f"{post.function} runs over the rows of groups by exactly one step of time")
    if plan.outer or plan.limit_by or (plan.having and post.function in _ORDERED):
        raise Misfit(f"{post.function} needs all groups: without outer, limit_by and having")
    added = measure.function in _ADDED
    if post.function in ("cumulate", "moving_sum", "share") and not added:
        raise Misfit(f"{post.function} adds up: only counts and sums can be, not {measure.function}")
    _check_size(post)
    per = _per(plan, post, steps)
    percent = post.function in ("growth", "share")
    compared = post.function in ("lag", "change", "growth")
    moving = added and post.function.startswith("moving")
    filled = bool(steps) and bool(steps[0].grain) and (compared or moving)
    zero = added and post.function in _ORDERED
    return replace(post, unit="percent" if percent else measure.unit, per=per, filled=filled, zero=zero)


def _check_size(post: Post) -> None:
    if post.function not in _SIZED and post.size != 1:
        raise Misfit(f"{post.function} takes no size")
    least = 2 if post.function.startswith("moving") else 1
    if not least <= post.size <= _MOST_SIZE:
        raise Misfit(f"the size of {post.function} is a number of steps, at least {least}")


def _per(plan: QueryPlan, post: Post, steps: list[Dimension]) -> tuple[str, ...]:
    """Within which groups it runs: over time each of the other groups runs by itself."""
    others = tuple(dimension.alias for dimension in plan.dimensions if dimension not in steps)
    if post.function == "share":
        if not set(post.per) < {dimension.alias for dimension in plan.dimensions}:
            raise Misfit("per names some of the dimensions, not all")
        return post.per
    if post.per and set(post.per) != set(others):
        raise Misfit(f"{post.function} runs over time within each of the other dimensions; leave per out")
    return others
