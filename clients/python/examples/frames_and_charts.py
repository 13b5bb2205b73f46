"""Takes results into polars and pandas, and the chart of an answer into a file.

python frames_and_charts.py [FOLDER]
"""
# ruff: noqa: T201 - an example prints

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import vl_convert

from aidatalabs_client import SyncClient

PLATFORM = "platforms/demo"
FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else ".")

with SyncClient() as client:
    # An answer has at most 10,000 rows; its data frame has their types.
    answer = client.ask(PLATFORM, "flights per month")
    print(answer.polars())
    if answer.chart is not None:  # a cell of a notebook that ends in `answer.chart` draws it
        (FOLDER / "flights.svg").write_text(vl_convert.vegalite_to_svg(answer.chart))
        print("chart in flights.svg")

    # All rows of a query, with their real types, go by Arrow.
    table = client.query_arrow(PLATFORM, "SELECT carrier, dep_delay FROM flights WHERE month = 7")
    delays = pl.DataFrame(table).group_by("carrier").agg(pl.col("dep_delay").mean()).sort("dep_delay")
    print(f"{table.num_rows:,} rows")
    print(delays.head(3))
    print(table.to_pandas()["dep_delay"].describe())

    # Or straight into a file, here Parquet.
    with (FOLDER / "july.parquet").open("wb") as file:
        for piece in client.export(PLATFORM, "SELECT * FROM flights WHERE month = 7", "PARQUET"):
            file.write(piece)
    print("rows in july.parquet")
