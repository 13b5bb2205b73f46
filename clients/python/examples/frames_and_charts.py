"""Takes results into Arrow and pandas, and the chart of an answer into a file.

python frames_and_charts.py [FOLDER]
"""
# ruff: noqa: T201 - an example prints

from __future__ import annotations

import sys
from pathlib import Path

import vl_convert

from aidatalabs_client import SyncClient

PLATFORM = "platforms/demo"
FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else ".")

with SyncClient() as client:
    # An answer has at most 10,000 rows; its data frame has their types.
    answer = client.ask(PLATFORM, "flights per month")
    print(answer.pandas())  # or .arrow(), or .polars() where that is installed
    if answer.chart is not None:  # a cell of a notebook that ends in `answer.chart` draws it
        (FOLDER / "flights.svg").write_text(vl_convert.vegalite_to_svg(answer.chart))
        print("chart in flights.svg")

    # All rows of a query, with their real types, go by Arrow.
    table = client.query_arrow(PLATFORM, "SELECT carrier, dep_delay FROM flights WHERE month = 7")
    delays = table.group_by("carrier").aggregate([("dep_delay", "mean")]).sort_by("dep_delay_mean")
    print(f"{table.num_rows:,} rows")
    print(delays.slice(0, 3).to_pylist())
    print(table.to_pandas()["dep_delay"].describe())

    # Or straight into a file, here Parquet.
    with (FOLDER / "july.parquet").open("wb") as file:
        for piece in client.export(PLATFORM, "SELECT * FROM flights WHERE month = 7", "PARQUET"):
            file.write(piece)
    print("rows in july.parquet")
