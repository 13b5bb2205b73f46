"""Which files commands remember to have stored, and what is said about the columns of a new table."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from aidatalabs_client import DataFile, read_file
from aidatalabs_services.cli.column_notes import column_rows
from aidatalabs_services.cli.ingest_ledger import IngestLedger, beginning_of

_DAY = 24 * 3600.0


def content(folder: Path, text: str) -> DataFile:
    (folder / "orders.csv").write_text(text)
    return read_file(folder / "orders.csv")


def test_a_file_whose_first_row_was_mended_is_known_by_its_others(tmp_path: Path) -> None:
    ledger = IngestLedger(tmp_path)
    first = beginning_of(content(tmp_path, "id,n\n1,x\n2,20\n3,30\n"))
    ledger.note("u/orders", "orders.csv", first, [0])
    # Without the text in it, the column is one of numbers: the rows are the same all the same.
    mended = beginning_of(content(tmp_path, "id,n\n1,10\n2,20\n3,30\n"))
    found = ledger.like("u/orders", "orders.csv", mended)
    assert found is not None
    assert (found[0].file, found[1]) == ("orders.csv", 2)
    assert ledger.like("u/other", "orders.csv", mended) is None
    assert ledger.like("u/orders", "rejected.csv", mended[:1]) is None  # the mended row alone is new
    ledger.forget("u/orders")
    assert ledger.like("u/orders", "orders.csv", mended) is None


def test_a_file_that_the_service_recognises_is_left_to_it_for_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = IngestLedger(tmp_path)
    grown = beginning_of(content(tmp_path, "id,n\n1,10\n2,20\n3,30\n"))
    ledger.note("u/orders", "orders.csv", grown[:2], [])
    assert ledger.like("u/orders", "orders.csv", grown) is None
    later = time.time() + _DAY
    monkeypatch.setattr(time, "time", lambda: later)
    assert ledger.like("u/orders", "copy.csv", grown) is not None


def test_files_with_a_few_equal_rows_are_two_files(tmp_path: Path) -> None:
    ledger = IngestLedger(tmp_path)
    rows = beginning_of(content(tmp_path, "id,n\n" + "".join(f"{n},1\n" for n in range(9))))
    ledger.note("u/orders", "january.csv", rows[:5], [])
    assert ledger.like("u/orders", "february.csv", rows[4:]) is None


def test_a_ledger_that_cannot_be_read_or_kept_is_none(tmp_path: Path) -> None:
    (tmp_path / "ingested.json").write_text('[{"place": 1}]')
    ledger = IngestLedger(tmp_path)
    assert ledger.like("u/orders", "orders.csv", ["a"]) is None
    ledger.note("u/orders", "orders.csv", ["a"], [])
    assert (tmp_path / "ingested.json").stat().st_mode & 0o777 == 0o600
    IngestLedger(tmp_path / "none").note("u/orders", "orders.csv", ["a"], [])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["03.02.2026", "4.2.26"], "looks like dates"),
        (["02/28/2026", "03/01/2026"], "looks like dates"),
        (["3.2.2026 14:05", "4.2.2026 09:00:01"], "looks like times"),
        (['"12,50"', '"1.234,00"'], "decimal comma"),
        (['"1,234"', '"2,000.5"'], "signs between thousands"),
        (["12.50 €", "$3"], "amounts with a unit"),
        ([*["1"] * 19, "n.n."], "holds numbers, and texts such as 'n.n.'"),
        (["Bonn", "Ulm"], ""),
        (["12", "13"], ""),
        (["007", "008"], ""),
    ],
)
def test_texts_that_look_like_something_else_are_told(tmp_path: Path, values: list[str], told: str) -> None:
    ((_, _, note),) = column_rows(content(tmp_path, "n\n" + "\n".join(values) + "\n"))
    assert told in note
    assert bool(told) == bool(note)
