"""Which sign separates values, and where a file of them is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from aidatalabs_client import DataFile, FileUnreadable, read_file


def read(tmp_path: Path, text: str, name: str = "orders.csv") -> DataFile:
    (tmp_path / name).write_text(text)
    return read_file(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("id;place;amount\n1;Bonn, Rhein;12,50\n2;Ulm;3,00\n", {"id": 1, "place": "Bonn, Rhein", "amount": "12,50"}),  # noqa: E501
        ("id\tplace\n1\tBonn, Rhein; NRW\n", {"id": 1, "place": "Bonn, Rhein; NRW"}),
        ('id,place\n1,"Bonn; Rhein; NRW"\n2,Ulm;x;y\n', {"id": 1, "place": "Bonn; Rhein; NRW"}),
        ("sep=;\r\nid;place\r\n1;Bonn\r\n", {"id": 1, "place": "Bonn"}),
        ("\ufeffid;place\n1;Bonn\n", {"id": 1, "place": "Bonn"}),
        ("place\nBonn\nUlm\n", {"place": "Bonn"}),
        ('place\n"Bonn, Rhein"\n"Ulm, Donau"\n', {"place": "Bonn, Rhein"}),
        ('id;note\n1;"two\nlines; one value"\n', {"id": 1, "note": "two\nlines; one value"}),
    ],
)  # fmt: skip
def test_comma_semicolon_and_tab_are_told_apart(tmp_path: Path, text: str, first: dict[str, object]) -> None:
    assert read(tmp_path, text).table.to_pylist()[0] == first


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,place\n1,Bonn\n\n2,Ulm,Donau\n", "line 4 has 3 fields, the header has 2"),
        ("id;place\n1;Bonn\n2\n", "line 3 has 1 field, the header has 2; mend that line (a value with a semicolon"),  # noqa: E501
        ('id,place\n1,"a\nb"\n2,x,y\n', "line 4 has 3 fields"),
    ],
)  # fmt: skip
def test_a_ragged_file_is_refused_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(FileUnreadable) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith("orders.csv: ")
    assert told in str(caught.value)


@pytest.mark.parametrize("name", ["some.csv", "some.tsv", "some.jsonl", "some.parquet"])
def test_some_rows_are_written_in_a_form_that_is_read_again(tmp_path: Path, name: str) -> None:
    content = read(tmp_path, 'id,code,note\n1,007,"a, b"\n2,008,\n3,009,c\n')
    content.rows([0, 2]).write(tmp_path / name)
    assert read_file(tmp_path / name).table.to_pylist() == content.table.to_pylist()[::2]


def test_an_ending_nobody_writes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="its ending should be one of"):
        read(tmp_path, "id\n1\n").write(tmp_path / "some.xlsx")
