/** Errors as they are read, rows, lists and streams. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { ApiError, createClient, isReason, items, joined, pages, type Reason, rows, steps } from "@aidatalabs/client";
import { type Result, ResultSchema } from "@aidatalabs/client/contract/data/v1/query_pb";
import { ErrorInfoSchema } from "@aidatalabs/client/rpc/error_details_pb";
import { clientOf, refusal, startMesh } from "./mesh.js";

const PLATFORM = "platforms/demo";

async function thrown(call: Promise<unknown>): Promise<ApiError> {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof ApiError, String(error));
    return error;
  }
  return assert.fail("it was answered");
}

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of stream) {
    found.push(one);
  }
  return found;
}

function result(names: string[], ...values: (string | number | null)[][]): Result {
  const value = (one: string | number | null) => ({
    kind:
      one === null
        ? ({ case: "nullValue", value: 0 } as const)
        : typeof one === "number"
          ? ({ case: "numberValue", value: one } as const)
          : ({ case: "stringValue", value: one } as const),
  });
  return create(ResultSchema, {
    columns: names.map((name) => ({ name, type: "String" })),
    rows: values.map((row) => ({ values: row.map(value) })),
  });
}

test("a refusal has its reason, facts, wrong fields and request id", async () => {
  await using mesh = await startMesh();
  using client = clientOf(mesh);
  mesh.refusals.push(
    refusal(Code.InvalidArgument, "INVALID_REQUEST", { fields: { table: "too long" }, metadata: { limit: "63" } }),
  );
  const error = await thrown(client.data.getTable({ platform: PLATFORM, table: "x" }));
  assert.deepEqual(
    [error.name, error.message, error.code, error.reason, error.requestId, error.retryAfterSeconds],
    ["ApiError", "Refused: INVALID_REQUEST.", "INVALID_ARGUMENT", "INVALID_REQUEST", "call-1", undefined],
  );
  assert.deepEqual(error.metadata, { limit: "63" });
  assert.deepEqual(error.violations, [{ field: "table", description: "too long" }]);
});

test("a reason that the catalogue does not have is kept as text", async () => {
  await using mesh = await startMesh();
  using client = clientOf(mesh);
  mesh.refusals.push(refusal(Code.FailedPrecondition, "FROM_A_NEWER_MESH"));
  const error = await thrown(client.data.getTable({ platform: PLATFORM, table: "x" }));
  assert.deepEqual([error.reason, error.sentReason], [undefined, "FROM_A_NEWER_MESH"]);
  assert.deepEqual(["INVALID_REQUEST", "UNSPECIFIED", "1", "toString"].map(isReason), [true, false, false, false]);
});

test("the reasons are a type of their own", () => {
  const known: Reason = "QUESTION_NOT_ANSWERABLE";
  // @ts-expect-error the catalogue has no such reason
  const unknown: Reason = "NO_SUCH_REASON";
  assert.deepEqual([isReason(known), isReason(unknown)], [true, false]);
});

test("rows are objects by column name, in order, with equal names told apart", () => {
  const one = result(["n", "n", "n_2", "__proto__"], [1, "12345678901234567", null, "x"]);
  const [row] = rows(one);
  assert.deepEqual(Object.entries(row ?? {}), [
    ["n", 1],
    ["n_3", "12345678901234567"],
    ["n_2", null],
    ["__proto__", "x"],
  ]);
  assert.deepEqual(rows(undefined), []);
  const typed: { n: number }[] = rows<{ n: number }>(result(["n"], [1], [2]));
  assert.deepEqual(typed, [{ n: 1 }, { n: 2 }]);
});

test("a list goes through all its pages, each when it is needed", async () => {
  await using mesh = await startMesh();
  using client = clientOf(mesh);
  const names: string[] = [];
  for await (const table of items(client.data.listTables, { platform: PLATFORM })) {
    names.push(table.name);
    if (names.length === 2) {
      assert.equal(mesh.seen.length, 1, "the second page was fetched too early");
    }
  }
  assert.deepEqual(names, ["t0a", "t0b", "t1a", "t1b", "t2a", "t2b"]);
  const later = await all(pages(client.data.listTables, { platform: PLATFORM, pageToken: "1" }));
  assert.deepEqual(later.map((page) => page.nextPageToken), ["2", ""]);
});

test("the steps of an answer end with done", async () => {
  await using mesh = await startMesh();
  using client = clientOf(mesh);
  mesh.events.push({ event: "sql", data: { sql: "SELECT 1" } }, { event: "running" }, { event: "done" });
  const told = await all(steps(client.agent.streamAnswer({ platform: PLATFORM, question: "how many?" })));
  assert.deepEqual(told.map((step) => step.event), ["sql", "running", "done"]);
  assert.equal(told[0]?.data?.sql, "SELECT 1");
});

test("an error inside the steps is thrown as the refusal it tells of", async () => {
  await using mesh = await startMesh();
  using client = clientOf(mesh);
  const info = create(ErrorInfoSchema, { reason: "QUESTION_NOT_ANSWERABLE", metadata: { word: "weather" } });
  const error = { code: 9, message: "No table has it.", details: [anyPack(ErrorInfoSchema, info)] };
  mesh.events.push({ event: "understood" }, { event: "error", error });
  const refused = await thrown(all(steps(client.agent.streamAnswer({ platform: PLATFORM, question: "rain?" }))));
  assert.deepEqual(
    [refused.code, refused.reason, refused.message, refused.metadata],
    ["FAILED_PRECONDITION", "QUESTION_NOT_ANSWERABLE", "No table has it.", { word: "weather" }],
  );
});

test("steps that end without done or error are thrown as broken off", async () => {
  await using mesh = await startMesh();
  using client = clientOf(mesh);
  mesh.events.push({ event: "understood" });
  const broken = await thrown(all(steps(client.agent.streamAnswer({ platform: PLATFORM, question: "how many?" }))));
  assert.equal(broken.code, "UNAVAILABLE");
});

test("the pieces of a stream are joined to one whole", async () => {
  await using mesh = await startMesh();
  using client = clientOf(mesh);
  const whole = await joined(client.data.streamQuery({ platform: PLATFORM, sql: "SELECT 1" }));
  assert.deepEqual([...whole], [1, 2, 3]);
});

test("without a token none is sent, and an own fetch is used", async () => {
  await using mesh = await startMesh();
  const paths: string[] = [];
  const client = createClient({
    baseUrl: `${mesh.baseUrl}/`,
    fetch: (input, init) => {
      paths.push(new URL(String(input)).pathname);
      return fetch(input, init);
    },
  });
  await client.data.getTable({ platform: PLATFORM, table: "x" });
  assert.deepEqual(paths, ["/aidatalabs.data.v1.DataService/GetTable"]);
  assert.equal(mesh.seen[0]?.authorization, null);
});
