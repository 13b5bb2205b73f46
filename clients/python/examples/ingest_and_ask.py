"""Makes a platform, stores rows and a data frame in it, asks about them, and takes it away again."""
# ruff: noqa: T201 - an example prints

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal

import pyarrow as pa

from aidatalabs.data.v1.table_pb2 import Column, Table
from aidatalabs_client import SyncClient

ORDERS = Table(
    name="orders",
    columns=[
        Column(name="id", type="UInt64"),
        Column(name="country", type="String"),
        Column(name="amount", type="Decimal(18, 2)"),
        Column(name="order_time", type="DateTime64(3)"),
    ],
    order_by=["order_time"],
)
NOW = datetime.datetime.now(datetime.UTC)

with SyncClient() as client:
    platform = client.create_platform(f"example-{uuid.uuid4().hex[:8]}", "Example").name
    try:
        client.create_table(platform, ORDERS)
        receipt = client.ingest_rows(
            platform,
            "orders",
            [
                {"id": 1, "country": "Norway", "amount": Decimal("19.90"), "order_time": NOW},
                {"id": 2**63, "country": "Kenya", "amount": Decimal("5.10"), "order_time": NOW},
                {"id": 3, "country": "Kenya", "amount": "not a number", "order_time": NOW},
            ],
        )
        print(receipt.accepted_count, "orders stored")
        for row in receipt.rejected:
            print(f"row {row.index}: {row.message}")

        # A data frame of any size: its table is made of its columns.
        frame = pa.table({"country": ["Norway", "Kenya"], "Capital city": ["Oslo", "Nairobi"]})
        stored = client.ingest_frame(platform, "countries", frame, create=True)
        print(stored.accepted_count, "countries stored")

        answer = client.ask(platform, "total amount by country in orders")
        print(answer)
        for line in answer.rows():
            print(line)
    finally:
        client.delete_platform(platform, purge=True)
