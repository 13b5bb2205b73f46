"""Random batches: encoded, stored and read back, they are the rows that the engine reads from JSONEachRow."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.adapters.native.tables import Tables

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# No digits: text that looks like a time would become one in the rows that are inserted as text.
WORDS = st.text(st.characters(exclude_categories=["Cs", "Nd"]), max_size=40) | st.sampled_from(
    ["", "x" * 130]
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
EXACT = st.integers(-(2**53) + 1, 2**53 - 1)


def whole(bits: int, signed: bool) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


# ClickHouse type, Arrow type, values as JSON has them.
PLAIN: list[tuple[str, pa.DataType, st.SearchStrategy[Any]]] = [
    ("Int8", pa.int8(), whole(8, True)),
    ("UInt16", pa.int32(), whole(16, False)),
    ("Int64", pa.int64(), whole(64, True)),
    ("UInt64", pa.uint64(), whole(64, False)),
    ("Float64", pa.float64(), FLOATS),
    ("Float32", pa.float32(), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    ("Bool", pa.bool_(), st.booleans()),
    ("String", pa.string(), WORDS),
    ("LowCardinality(String)", pa.string(), WORDS),
]


@st.composite
def columns(draw: st.DrawFn, rows: int) -> tuple[str, pa.Array, list[Any]]:
    """A column of plain values, of lists or of maps of them, NULL or not, cut out of a longer array."""
    kind, arrow, values = draw(st.sampled_from(PLAIN))
    shape = draw(st.sampled_from(["plain", "null", "list", "lists", "map"]))
    if shape == "null" and not kind.startswith("Low"):
        kind, values = f"Nullable({kind})", values | st.none()
    elif shape == "null":
        kind, values = "LowCardinality(Nullable(String))", values | st.none()
    elif shape == "list":
        kind, arrow, values = f"Array({kind})", pa.list_(arrow), st.lists(values, max_size=3)
    elif shape == "lists":
        inner = st.lists(st.lists(values | st.none(), max_size=2), max_size=2)
        kind = kind.replace("LowCardinality(String)", "String")
        kind, arrow, values = f"Array(Array(Nullable({kind})))", pa.large_list(pa.list_(arrow)), inner
    elif shape == "map":
        kind, arrow = f"Map(String, {kind})", pa.map_(pa.string(), arrow)
        values = st.dictionaries(WORDS, values, max_size=3)
    before, after = draw(st.integers(0, 9)), draw(st.integers(0, 3))
    listed = draw(st.lists(values, min_size=rows + before + after, max_size=rows + before + after))
    given_values = [list(each.items()) for each in listed] if shape == "map" else listed
    array = pa.array(given_values, arrow)
    if pa.types.is_string(array.type):
        array = draw(
            st.sampled_from(
                [
                    lambda x: x,
                    lambda x: x.dictionary_encode(),
                    lambda x: x.cast(pa.large_string()),
                    lambda x: x.cast(pa.string_view()),
                ]
            )
        )(array)
    return kind, array.slice(before, rows), listed[before : before + rows]


@st.composite
def tables_of_columns(draw: st.DrawFn) -> tuple[dict[str, str], pa.RecordBatch, list[dict[str, Any]]]:
    rows = draw(st.integers(1, 30))
    found = [draw(columns(rows)) for _ in range(draw(st.integers(1, 5)))]
    types = {f"c{place}": kind for place, (kind, _, _) in enumerate(found)}
    batch = pa.record_batch({f"c{place}": array for place, (_, array, _) in enumerate(found)})
    listed = [{f"c{place}": values[row] for place, (_, _, values) in enumerate(found)} for row in range(rows)]
    return types, batch, listed


@QUICK
@given(data=tables_of_columns())
def test_random_columns_are_the_rows_of_text(
    tables: Tables, data: tuple[dict[str, str], pa.RecordBatch, list[dict[str, Any]]]
) -> None:
    types, batch, rows = data
    assert tables.in_memory().stored(types, batch) == tables.in_memory().stored_from_rows(types, rows)


KEYS = st.sampled_from(["a", "b", "c", "dé", "e f", "`", "long" * 20])
SCALARS = st.one_of(EXACT, FLOATS.filter(lambda x: abs(x) < 2**53), st.booleans(), WORDS, st.none())
OBJECTS = st.recursive(
    st.dictionaries(KEYS, SCALARS, max_size=4),
    lambda inner: st.dictionaries(KEYS, SCALARS | inner, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(["JSON", "JSON(max_dynamic_paths=2)", "JSON(max_dynamic_paths=0)"])
SHOWN = "toString(j), toString(JSONAllPathsWithTypes(j))"


@QUICK
@given(
    objects=st.lists(OBJECTS, min_size=1, max_size=30),
    kind=KINDS,
    indent=st.sampled_from([None, 1]),
    escaped=st.booleans(),
)
def test_random_objects_in_text_are_those_of_rows(
    tables: Tables, objects: list[dict[str, Any]], kind: str, indent: int | None, escaped: bool
) -> None:
    text = pa.array([json.dumps(each, indent=indent, ensure_ascii=escaped) for each in objects])
    found = tables.in_memory().stored({"j": kind}, pa.record_batch({"j": text}), SHOWN)
    assert found == tables.in_memory().stored_from_rows({"j": kind}, [{"j": each} for each in objects], SHOWN)


@st.composite
def structs(draw: st.DrawFn, depth: int = 0) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    """An Arrow struct of scalars, lists of scalars and structs, and its values."""
    fields, values = [], {}
    for name in draw(st.lists(KEYS, min_size=0 if depth else 1, max_size=4, unique=True)):
        choices: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
            (pa.int64(), whole(64, True)),
            (pa.int16(), whole(16, True)),
            (pa.float64(), FLOATS),
            (pa.bool_(), st.booleans()),
            (pa.string(), WORDS),
            (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["x", "y", ""])),
            (pa.list_(pa.string()), st.lists(WORDS | st.none(), min_size=1, max_size=3).filter(any)),
        ]
        if depth < 3:
            choices.append(draw(structs(depth + 1)))
        arrow, value = draw(st.sampled_from(choices))
        fields.append((name, arrow))
        values[name] = value | st.none()
    return pa.struct(fields), st.fixed_dictionaries(values)


@st.composite
def struct_arrays(draw: st.DrawFn) -> tuple[pa.Array, list[Any]]:
    arrow, values = draw(structs())
    listed = draw(st.lists(values, min_size=1, max_size=30))
    before = draw(st.integers(0, len(listed) - 1))
    return pa.array(listed, arrow).slice(before), listed[before:]


@QUICK
@given(data=struct_arrays(), kind=KINDS)
def test_random_structs_are_those_of_rows(
    tables: Tables, data: tuple[pa.Array, list[Any]], kind: str
) -> None:
    array, objects = data
    found = tables.in_memory().stored({"j": kind}, pa.record_batch({"j": array}), SHOWN)
    # A whole number in a column of floats is written as one: json.dumps writes 2.0.
    assert found == tables.in_memory().stored_from_rows({"j": kind}, [{"j": each} for each in objects], SHOWN)


@QUICK
@given(data=st.data(), count=st.integers(1, 30))
def test_random_typed_paths_are_those_of_rows(tables: Tables, data: st.DataObject, count: int) -> None:
    chosen = data.draw(st.lists(st.sampled_from(range(len(PLAIN))), min_size=1, max_size=4, unique=True))
    typed, fields, values = [], [], {}
    for place in chosen:
        kind, arrow, value = PLAIN[place]
        if data.draw(st.booleans()):
            kind = "LowCardinality(Nullable(String))" if kind.startswith("Low") else f"Nullable({kind})"
        typed.append(f"p{place} {kind}")
        fields.append((f"p{place}", arrow))
        values[f"p{place}"] = value | st.none()
    fields.append(("rest", pa.string()))
    values["rest"] = WORDS | st.none()
    objects = data.draw(st.lists(st.fixed_dictionaries(values), min_size=count, max_size=count))
    types = {"j": f"JSON({', '.join(typed)})"}
    found = tables.in_memory().stored(
        types, pa.record_batch({"j": pa.array(objects, pa.struct(fields))}), "toString(j)"
    )
    present = [{key: value for key, value in each.items() if value is not None} for each in objects]
    assert found == tables.in_memory().stored_from_rows(
        types, [{"j": each} for each in present], "toString(j)"
    )
