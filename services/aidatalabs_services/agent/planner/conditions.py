"""Conditions on rows bound to columns: by name, by unit, or by the adjective that was used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .columntypes import column_type
from .draft import Ambiguous, Barred, Choice, Condition, Ref, Unread
from .flags import flag_values
from .items import Candidate, Item
from .lexicon import MONEY_WORDS
from .measures import function_words, measures_for_adjective
from .plan import OR_UNKNOWN, Filter
from .units import CURRENCIES
from .words import split_name

if TYPE_CHECKING:
    from .composing import Composer


_TURNED = frozenset(("lt", "le", "gt", "ge"))
_CURRENCY_UNITS = frozenset(("US dollars", "euros", "pounds sterling"))


class ConditionBinder:
    """Binds the conditions of one draft to sources of one plan."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer

    def bind_all(self) -> list[Filter]:
        """All conditions as filters, the same one only once."""
        filters: list[Filter] = []
        for condition in self._composer.draft.conditions:
            made = self._bind(condition)
            if made not in filters:
                filters.append(made)
        for bare in (f.source for f in filters if f.operator == "is_null"):
            if sum(f.source == bare for f in filters) > 1:
                item = self._composer.draft.conditions[-1].item
                raise Barred(item, f"stands beside a condition that {bare.column} has no value at all")
        by_source = [f.source for f in filters if f.operator == "eq"]
        for position, source in enumerate(by_source):
            if source in by_source[:position]:
                raise Unread(
                    self._composer.draft.conditions[-1].item, "contradicts another value of the same column"
                )
        return filters

    def _bind(self, condition: Condition) -> Filter:
        composer = self._composer
        ref, operator = condition.ref, condition.operator
        if ref is None:
            ref, operator = self._found(condition)
        if ref.candidate.kind == "table":
            raise Unread(condition.item, f"compares {ref.candidate.table} with a number")
        self._check_unit(condition, ref)
        column = composer.index.column(ref.candidate.table, ref.candidate.column)
        kind = column_type(column.type)
        if condition.numeric and not kind.numeric:
            raise Unread(condition.item, f"compares {column.name}, which holds no numbers")
        source = composer.binder.source(ref)
        if operator in ("is_true", "is_false") and kind.kind == "text":
            values = flag_values(column, operator == "is_true")
            return Filter(source, "eq" if len(values) == 1 else "in", values)
        if operator == "either":
            both = flag_values(column, True) + flag_values(column, False)
            return Filter(source, "in", both) if both else Filter(source, "not_null")
        if condition.unknown and operator in _TURNED and (kind.nullable or column.path_of is not None):
            operator += OR_UNKNOWN
        return Filter(source, operator, condition.values, condition.numeric)

    def _found(self, condition: Condition) -> tuple[Ref, str]:
        """The column an adjective or a unit speaks of."""
        if condition.adjective:
            candidate, flipped = measures_for_adjective(self._composer, condition.adjective, condition.item)
            if flipped:
                raise Unread(condition.item, f"compares {candidate.column}, which is not an age in numbers")
            return Ref(candidate, condition.item), condition.operator
        base = self._composer.base
        index = self._composer.index
        if not condition.unit:
            raise self._which_measure(condition)
        fitting = [
            column
            for column in self._composer.table.columns
            if index.role(base, column.name).kind == "measure"
            and index.role(base, column.name).unit == condition.unit
        ]
        measured = [c for c in self._composer.table.columns if index.role(base, c.name).kind == "measure"]
        if not fitting and len(measured) == 1 and not index.role(base, measured[0].name).unit:
            fitting = measured
        if fitting and condition.unit in _CURRENCY_UNITS:
            rivals = [
                column.name
                for column in measured
                if column in fitting
                or (not index.role(base, column.name).unit and MONEY_WORDS & set(split_name(column.name)))
            ]
            if len(rivals) > 1:
                raise self._which_measure(condition, rivals)
        if not fitting and condition.unit in _CURRENCY_UNITS:
            raise self._which_money(condition, [column.name for column in measured])
        if len(fitting) != 1:
            raise Unread(condition.item, f"gives {condition.unit} without saying of which column")
        return Ref(Candidate("column", base, fitting[0].name), condition.item), condition.operator

    def _which_money(self, condition: Condition, measured: list[str]) -> Unread | Ambiguous:
        """`over 100 euros` where no column says that it is in euros: offer those that may be."""
        role = self._composer.index.role
        free = [name for name in measured if not role(self._composer.base, name).unit]
        free = [name for name in free if MONEY_WORDS & set(split_name(name))]
        if free:
            return self._which_measure(condition, free)
        return Unread(condition.item, f"gives {condition.unit} without saying of which column")

    def _which_measure(self, condition: Condition, among: list[str] | None = None) -> Unread | Ambiguous:
        """`above 50` without a measure: offer the numbers of the table."""
        composer, item = self._composer, condition.item
        columns = among or [
            column.name
            for column in composer.table.columns
            if composer.index.role(composer.base, column.name).kind == "measure"
        ]
        if not columns or item.kind != "cmp":
            return Unread(item, "compares with nothing I know")
        joined = " and ".join(condition.values)
        choices = [
            Choice(
                f"{name} {item.text} {joined}",
                f"with `{composer.base}.{name}` {item.text}",
                item.start,
                item.end,
            )
            for name in columns
        ]
        choices[:0] = self._of_groups(item, joined)
        if len(choices) == 1:
            return Ambiguous(f"Do you mean {choices[0].label}?", choices)
        return Ambiguous(f"What is '{item.text} {joined}' said of?", choices)

    def _of_groups(self, item: Item, joined: str) -> list[Choice]:
        """`average fare by port over 50`: that average of each group."""
        draft = self._composer.draft
        computed = draft.aggregates[0] if len(draft.aggregates) == 1 and draft.groups else None
        if computed is None or computed.ref is None or computed.function in ("count", ""):
            return []
        number, word = computed.ref.candidate, function_words(computed.function)
        text = f"with {word} `{number.table}.{number.column}` {item.text}"
        return [
            Choice(f"groups with {word} {number.column} {item.text} {joined}", text, item.start, item.end)
        ]

    def _check_unit(self, condition: Condition, ref: Ref) -> None:
        """A number with a unit fits a column of that unit; where the column's is not known, ask."""
        if not condition.unit:
            return
        known = self._composer.index.role(ref.candidate.table, ref.candidate.column).unit
        if known == condition.unit:
            return
        money = (
            condition.unit in ("US dollars", "euros", "pounds sterling")
            and condition.unit.split()[-1][:-1] in CURRENCIES
        )
        if money and not known and MONEY_WORDS & set(split_name(ref.candidate.column)):
            return
        if known:
            raise Unread(condition.item, f"is compared in {condition.unit}, but the data is in {known}")
        words = " and ".join(condition.values)
        item = condition.item
        named = "" if condition.ref is not None else f"with `{ref.candidate.table}.{ref.candidate.column}` "
        than = " than" if item.kind == "comparative" else ""
        end = item.end + 2 * len(condition.values) + len(than[:1])
        choice = Choice(f"{words} as stored", f"{named}{item.text}{than} {words}", item.start, end)
        raise Ambiguous(
            f"The data does not say whether {ref.candidate.column} is in {condition.unit}. "
            "Compare it as stored?",
            [choice],
        )
