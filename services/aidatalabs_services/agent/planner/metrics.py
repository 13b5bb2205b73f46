"""Words for a business figure that no column is called by: revenue is the money of what was sold.

Such a word is put into words that the data has before the question is read: `revenue by month` over orders
with a price is `total price by month`, and over events it counts those that sell something.
"""

from __future__ import annotations

from .catalogue import Column, Table
from .columntypes import column_type
from .frames.subjects import PEOPLE
from .index import CatalogueIndex
from .lexicon import MONEY_WORDS, VERB_NOUNS
from .vocabulary.deeds import kin_cost
from .words import split_name, tokenize

_REVENUE = frozenset(("revenue", "revenues", "turnover", "takings", "spend", "spending"))
_TRADES = frozenset(
    ("sale", "order", "purchase", "transaction", "invoice", "booking", "payment", "checkout", "subscription",
     "subscribe", "renewal")
)  # fmt: skip
_FIRST_TRADES = ("purchase", "sale", "order", "transaction", "payment", "invoice", "booking", "subscribe",
                 "subscription", "renewal")  # fmt: skip
_COSTS = frozenset(("cost", "tax", "fee", "discount", "refund", "balance", "budget", "salary",
                    "wage", "unit"))  # fmt: skip
_KINDS = frozenset((("event", "type"), ("event",), ("event", "name"), ("type",), ("action",), ("kind",)))
_FIGURES = frozenset(
    ("total", "average", "avg", "mean", "sum", "median", "minimum", "maximum", "min", "max", "highest total",
     "of", "gross", "net")
)  # fmt: skip


FIGURES = _REVENUE
"""The words that are put into others here."""


def settled(question: str, index: CatalogueIndex) -> tuple[str, str]:
    """The question with such a word replaced, and a sentence on how it was read; the same and nothing where
    there is none, or where the data has a name for it or several numbers that it may be."""
    tokens = tokenize(question)
    place = next((n for n, token in enumerate(tokens) if token.word in _REVENUE and token.kind == "word"), -1)
    if place < 0 or any(match.cost <= 0.3 for match in index.names.matches([tokens[place].lemma], 0)):
        return question, ""
    found = traded(index)
    if found is None:
        return question, ""
    table, column, value = found
    averaged = place > 0 and tokens[place - 1].word in ("average", "avg", "mean")
    if averaged and not index.time_columns(table):
        return question, ""  # the average line of an order is no average revenue
    said = {token.lemma for token in tokens}
    parts = [f"`{table}.{column}`"]
    before = tokens[place - 1].word if place else ""
    behind = [token.lemma for token in tokens[place + 1 : place + 4]]
    each = behind[:1] == ["per"] and bool(
        PEOPLE & set(behind)
    )  # on average for each, of what each spent in all
    if before not in _FIGURES or (each and before in ("average", "avg", "mean")):
        parts.insert(0, "total")
    if value and value not in said and not set(split_name(value)) <= said:
        parts += ["of", f'"{value}"']
    spoken = " ".join(parts)
    pieces, end = [], 0
    for n, token in enumerate(tokens):
        if token.word in _REVENUE and token.kind == "word":
            pieces += [question[end : token.start], spoken if n == place else f"`{table}.{column}`"]
            end = token.end
    told = f" of '{value}'" if value else ""
    read_as = f"'{tokens[place].raw}' was read as the total {table}.{column}{told}."
    return "".join(pieces) + question[end:], read_as


def traded(index: CatalogueIndex) -> tuple[str, str, str] | None:
    """The table, the column of money and the kind of event that sells; None where it is not clear."""
    for trade in _FIRST_TRADES:
        tables = [table for table in index.catalogue.tables if split_name(table.name)[-1:] == (trade,)]
        money = [(table.name, name) for table in tables for name in _money(index, table)]
        if len(money) == 1:
            return (*money[0], "")
        if money:
            return None
        details = [table for table in index.catalogue.tables if trade in split_name(table.name)[:-1]]
        money = [(table.name, name) for table in details for name in _money(index, table)]
        if len(money) == 1 and tables:  # the lines of orders that have no amount of their own
            return (*money[0], "")
    return _sold(index) or _earned(index)


def _earned(index: CatalogueIndex) -> tuple[str, str, str] | None:
    """The one column of money that the rows of something that happened bring in."""
    found = [
        (table.name, name, "")
        for table in index.catalogue.tables
        if table.name not in index.empty_tables
        and index.time_columns(table.name)
        and not any(split_name(c.name) in _KINDS and c.values for c in table.columns)  # events of every kind
        for name in _money(index, table)
    ]
    return found[0] if len(found) == 1 else None


def _money(index: CatalogueIndex, table: Table) -> list[str]:
    """The columns of what a row is worth: one that says so best, never a cost or a tax."""
    found = []
    for column in table.columns:
        parts = set(split_name(column.name.split(".")[-1]))
        measured = index.role(table.name, column.name).kind == "measure"
        if measured and parts & MONEY_WORDS and not parts & (_COSTS | {"per"}):
            found.append(column.name)
    totals = [name for name in found if {"total", "amount", "revenue"} & set(split_name(name))]
    return totals if len(totals) == 1 else found


def _sold(index: CatalogueIndex) -> tuple[str, str, str] | None:
    for table in index.catalogue.tables:
        kinds = [c for c in table.columns if split_name(c.name) in _KINDS and c.values]
        if table.name in index.empty_tables or len(kinds) != 1:
            continue
        value = _trading(kinds[0])
        worth = [c.name for c in table.columns if split_name(c.name) in (("value",), ("amount",), ("price",))
                 and column_type(c.type).numeric]  # fmt: skip
        if value and len(worth) == 1:
            return table.name, worth[0], value
    return None


def _acts(value: str, trade: str) -> bool:
    """`purchase`, `completed_purchase` and `item_bought` are purchases."""
    last = split_name(value)[-1]
    return trade in (last, VERB_NOUNS.get(last, ""))


def _trading(column: Column) -> str:
    """The one stored kind of event that sells something."""
    for trade in _FIRST_TRADES:
        held = [value for value in column.values if _acts(value, trade)]
        if held:
            return held[0] if len(held) == 1 else ""
    bought = [v for v in column.values if any(kin_cost("buy", part) is not None for part in split_name(v))]
    return bought[0] if len(bought) == 1 else ""
