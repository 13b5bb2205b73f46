/** A platform of its own: a table, rows, a query, a file, and away again. */
import { ApiError, ExportRequest_Format, items, joined, Receipt_State, rows } from "@aidatalabs/client";
import { meshClient } from "./mesh.js";

const client = meshClient();
const platformId = process.argv[2] ?? "orders-example";
const { name: platform } = await client.platform.createPlatform({ platformId, platform: { displayName: "Orders" } });

await client.data.createTable({
  platform,
  table: {
    name: "orders",
    columns: [
      { name: "id", type: "UInt64" },
      { name: "country", type: "String" },
      { name: "total", type: "Decimal(12, 2)" },
    ],
    orderBy: ["id"],
  },
});

// The client gives the call a request id, so a try that is repeated stores nothing twice.
const { receipt } = await client.data.ingest({
  platform,
  table: "orders",
  rows: [
    { id: "1", country: "PT", total: "12.50" },
    { id: "2", country: "NO", total: "99.00" },
    { id: "three", country: "NO", total: "1.00" },
  ],
});
console.log(receipt?.acceptedCount, Receipt_State[receipt?.state ?? 0]);
for (const rejected of receipt?.rejected ?? []) {
  console.log(`row ${rejected.index}: ${rejected.reason}`);
}

const sql = "SELECT country, sum(total) AS total FROM orders GROUP BY country ORDER BY country";
const { result } = await client.data.query({ platform, sql });
for (const { country, total } of rows<{ country: string; total: string }>(result)) {
  console.log(country, total);
}

const file = await joined(client.data.export({ platform, sql, format: ExportRequest_Format.CSV }));
console.log(new TextDecoder().decode(file).trimEnd());

for await (const table of items(client.data.listTables, { platform, orderBy: "name" })) {
  console.log(table.name, table.rowCount);
}

try {
  await client.data.query({ platform, sql: "DROP TABLE orders" });
} catch (error) {
  console.log(error instanceof ApiError ? error.reason : error);
}
await client.platform.deletePlatform({ name: platform });
