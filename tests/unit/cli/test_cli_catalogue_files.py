"""Catalogues as files: what is written comes back, and what is no catalogue is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from aidatalabs.agent.v1 import catalogue_pb2 as pb
from aidatalabs_services.agent.catalogue_messages import definitions_of
from aidatalabs_services.agent.planner.definition_rules import problems
from aidatalabs_services.cli import catalogue_files
from aidatalabs_services.cli.catalogue_files import FileNotReadable, read_catalogue, write_catalogue

HEAD = "format: aidatalabs-catalogue/1\n"
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
FILE = """\
format: aidatalabs-catalogue/1
tables:
  sales:
    description: "yes: one row a sale"
    synonyms: [deals, no]
    hidden: true
    columns:
      kind:
        role: category
        values:
          "1": [first]
          null: nothing
keys:
  - {table: sales, column: town, to_table: towns, to_column: id, denied: true}
metrics:
  takings:
    {table: sales, aggregate: sum, column: amount, filters: [{column: kind, operator: in, values: [1, 2]}]}
  quota:
    numerator: takings
    denominator: takings
    percent: yes
dimensions:
  month sold: {table: sales, column: sold_at, grain: month}
"""


def test_the_file_of_the_documentation_is_one_and_keeps_every_rule_of_form() -> None:
    page = (Path(__file__).parents[3] / "docs" / "catalogue.md").read_text(encoding="utf-8")
    found = read_catalogue(page.split("```yaml\n")[1].split("```")[0])
    assert problems(definitions_of(found)) == ()
    assert len(found.metrics) == 3
    assert read_catalogue(write_catalogue(found)) == found


def test_every_word_of_a_file_is_text() -> None:
    found = read_catalogue(FILE)
    table = found.tables[0]
    assert (table.table, list(table.synonyms), table.hidden) == ("sales", ["deals", "no"], True)
    assert [(v.value, list(v.synonyms)) for v in table.columns[0].values] == [
        ("1", ["first"]),
        ("null", ["nothing"]),
    ]
    assert list(found.metrics[0].filters[0].values) == ["1", "2"]
    assert found.metrics[1].percent
    assert found.keys[0].denied
    assert read_catalogue(write_catalogue(found)) == found


@settings(max_examples=20, deadline=None)
@given(
    st.dictionaries(WORDS, st.lists(WORDS, max_size=3), max_size=3),
    st.dictionaries(WORDS, st.lists(WORDS, max_size=3), max_size=3),
)
def test_what_is_written_comes_back(tables: dict[str, list[str]], values: dict[str, list[str]]) -> None:
    said = pb.Definitions()
    for name, synonyms in tables.items():
        table = said.tables.add(table=name, synonyms=synonyms, description=name)
        column = table.columns.add(column=name, role=pb.ColumnDefinition.MEASURE)
        for value, words in values.items():
            column.values.add(value=value, synonyms=words)
    for name, synonyms in values.items():
        metric = said.metrics.add(name=name, synonyms=synonyms, table=name, aggregate=pb.MetricDefinition.SUM)
        metric.filters.add(column=name, operator=pb.MetricFilter.IN, values=synonyms)
    assert json_format.MessageToDict(read_catalogue(write_catalogue(said))) == json_format.MessageToDict(said)


BOMB = "a: &a [x, x]\n" + "\n".join(
    f"{b}: &{b} [*{a}, *{a}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("just text", "no map"),
        ("a: b", "line 1: `format"),
        ("format: aidatalabs-catalogue/2", "`format: aidatalabs-catalogue/1` is missing"),
        (HEAD + "tabels: {}", "tabels is not known; there are tables, keys, metrics, dimensions"),
        (HEAD + "tables:\n  t: {table: u}", "line 3: tables.t.table is not known"),
        (HEAD + "tables: [a]", "line 2: tables is a list; a map is wanted"),
        (HEAD + "tables: {t: {synonyms: {a: b}}}", "a list is wanted"),
        (HEAD + "tables: {t: {hidden: perhaps}}", "is true or false"),
        (HEAD + "metrics: {m: {aggregate: summ}}", "is none of count, count_distinct, sum"),
        (HEAD + "tables: {t: {}, t: {}}", "is there twice"),
        (HEAD + "tables: !!python/object/apply:os.system ['id']", "tags are not read"),
        (HEAD + "tables: !!python/name:os.system", "tags are not read"),
        (HEAD + BOMB, "anchors and aliases are not read"),
        (HEAD + "x: *nobody", "anchors and aliases are not read"),
        (HEAD + "---\na: b", "a second document"),
        (HEAD + "tables: " + "[" * 5000, "10 levels"),
        (HEAD + "tables: " + "{a: " * 5000, "10 levels"),
        (HEAD + "? [a]\n: b", "a key is text"),
        (HEAD + "a: [b", "line 2"),
        (HEAD + "a: \x00", "characters that YAML has not"),
        (HEAD + "a:\n" + "  - b\n" * 1_100, "1,000 parts"),
        ("# " + "x" * 1_000_001, "1,000,000 characters"),
    ],
)
def test_what_is_no_catalogue_is_refused_with_its_place(
    text: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_files, "_MOST_NODES", 1_000)
    with pytest.raises(FileNotReadable) as caught:
        read_catalogue(text)
    assert told in str(caught.value)
