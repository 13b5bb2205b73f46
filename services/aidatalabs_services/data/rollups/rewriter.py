"""From an admitted statement to one that reads roll-ups, with the same rows, names and types of columns.

Every SELECT over one rolled-up table is looked at by itself, wherever it stands in the statement. Its
aggregates become merges of states; its FROM becomes the roll-up, or, where a range of time cuts through
buckets,

    (whole buckets of the roll-up) UNION ALL (states made on the spot of the rows in buckets that were cut)

What cannot be shown to give the same result is left as it is, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlglot import exp

from aidatalabs_services.data.rollups.plans import Plan, Source, parsed, plan_of, written
from aidatalabs_services.data.rollups.scope import NotServedError

__all__ = ["Rewrite", "Source", "parsed", "rewrite", "written"]


@dataclass(frozen=True)
class Rewrite:
    """A statement over roll-ups.

    `shape` is the same without conditions on time and with both sources, and `raw_shape` the statement as it
    was, likewise: what their columns are called and which types they have must be the same. `stale` says that
    an asynchronous roll-up is read without the rows that it lacks.
    """

    sql: str
    shape: str
    raw_shape: str
    rollups: tuple[str, ...]
    targets: tuple[str, ...]
    error: float
    ragged: bool
    stale: bool


@dataclass
class _Found:
    rollups: list[str] = field(default_factory=list)
    targets: set[str] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)
    error: float = 0.0
    ragged: bool = False
    stale: bool = False
    froms: dict[str, str] = field(default_factory=dict)  # mark -> the SQL that stands there


def rewrite(
    tree: exp.Expr,
    sources: Sequence[Source],
    *,
    database: str,
    now: datetime,
    max_error: float,
    names: Sequence[str] = (),
) -> Rewrite:
    """The statement `tree` (physical, as the door wrote it) over `sources`, best first.

    `names` are given to the outermost columns that have none of their own. Raises NotServedError with the
    reason.
    """
    _check_names(tree)
    found = _Found()
    real, shape, raw_shape = tree.copy(), tree.copy(), tree.copy()
    trees = [list(each.find_all(exp.Select)) for each in (real, shape, raw_shape)]
    # From the inside out, so that what is replaced is never a part of what was.
    for selects in reversed(list(zip(*trees, strict=True))):
        top = names if selects[0] is real else ()
        _rewrite_one(selects, sources, database, now, max_error, top, found)
    if not found.rollups:
        raise NotServedError(found.reasons[0] if found.reasons else "it reads no table with a roll-up")
    return Rewrite(
        _with_froms(written(real), found.froms),
        _with_froms(written(shape), found.froms),
        written(raw_shape),
        tuple(dict.fromkeys(reversed(found.rollups))),
        tuple(sorted(found.targets)),
        found.error,
        found.ragged,
        found.stale,
    )


def _with_froms(sql: str, froms: Mapping[str, str]) -> str:
    for mark, source in froms.items():
        sql = sql.replace(f"`{mark}`", source)
    return sql


def _check_names(tree: exp.Expr) -> None:
    for node in tree.find_all(exp.CTE, exp.Alias, exp.Lambda):
        if isinstance(node, exp.CTE):
            if node.args.get("scalar"):
                raise NotServedError("WITH gives a value a name")
        elif isinstance(node, exp.Lambda):
            raise NotServedError("it has a lambda")
        elif not isinstance(node.parent, exp.Select) or node.arg_key != "expressions":
            raise NotServedError("it names a part of an expression")


def _rewrite_one(
    selects: Sequence[exp.Select],
    sources: Sequence[Source],
    database: str,
    now: datetime,
    max_error: float,
    names: Sequence[str],
    found: _Found,
) -> None:
    select, shape, raw_shape = selects
    table = _table_of(select, database)
    if table is None:
        return
    own = [source for source in sources if source.layout.table.name == table.name]
    reason = f"{table.name} has no roll-up that is ready" if not own else ""
    plan: Plan | None = None
    for source in own:
        try:
            made = plan_of(select, table, source, now, max_error, names)
        except NotServedError as error:
            reason = str(error)
            continue
        if plan is None or made.is_better(plan):
            plan = made
    if plan is None:
        found.reasons.append(reason)
        return
    found.rollups.append(plan.source.layout.declaration.name)
    found.targets.add(plan.source.target)
    found.error = max(found.error, plan.error)
    found.ragged |= plan.ragged
    found.stale |= plan.source.progress is not None and plan.source.alone
    plan.put(select, database, found.froms, shaped=False)
    plan.put(shape, database, found.froms, shaped=True)
    plan.trim(raw_shape)


def _table_of(select: exp.Select, database: str) -> exp.Table | None:
    """The one table of the platform that `select` reads from, None where it reads from something else."""
    from_ = select.args.get("from_")
    table = from_.this if from_ is not None else None
    if not isinstance(table, exp.Table) or table.db != database:
        return None
    return table
