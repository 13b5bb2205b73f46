/** What is repeated, when and how, over both transports. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { ApiError, type Protocol } from "@aidatalabs/client";
import { IngestRequestSchema } from "@aidatalabs/client/contract/data/v1/data_service_pb";
import { clientOf, type Mesh, refusal, startMesh } from "./mesh.js";

const TABLE = { platform: "platforms/demo", table: "orders" };
const down = (retrySeconds?: number) =>
  refusal(Code.Unavailable, "SERVICE_UNAVAILABLE", retrySeconds === undefined ? {} : { retrySeconds });

function pauses(mesh: Mesh): number[] {
  return mesh.seen.slice(1).map((call, index) => (call.time - (mesh.seen[index]?.time ?? 0)) / 1000);
}

async function refusedWith(call: Promise<unknown>): Promise<ApiError> {
  const error = await call.then(
    () => assert.fail("it was answered"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ApiError, String(error));
  return error;
}

for (const transport of ["grpc-web", "grpc"] satisfies Protocol[]) {
  test(`${transport}: a service that is down is asked again after the time it names`, async () => {
    await using mesh = await startMesh(transport);
    using client = clientOf(mesh, { transport });
    mesh.refusals.push(down(0.15), down(0.15));
    assert.equal((await client.data.getTable(TABLE)).name, "orders");
    assert.equal(mesh.seen.length, 3);
    for (const pause of pauses(mesh)) {
      assert.ok(pause >= 0.145 && pause < 2, String(pause));
    }
  });

  test(`${transport}: an overloaded service is asked again after the time it names`, async () => {
    await using mesh = await startMesh(transport);
    using client = clientOf(mesh, { transport });
    mesh.refusals.push(refusal(Code.ResourceExhausted, "OVERLOADED", { retrySeconds: 0.1 }));
    assert.equal((await client.data.getTable(TABLE)).name, "orders");
    assert.ok((pauses(mesh)[0] ?? 0) >= 0.095);
  });

  test(`${transport}: what is exhausted for good is refused at once`, async () => {
    await using mesh = await startMesh(transport);
    using client = clientOf(mesh, { transport });
    mesh.refusals.push(refusal(Code.ResourceExhausted, "RESULT_TOO_LARGE"));
    const error = await refusedWith(client.data.getTable(TABLE));
    assert.equal(error.reason, "RESULT_TOO_LARGE");
    assert.equal(mesh.seen.length, 1);
  });

  test(`${transport}: every try of an ingest has the same request id, every ingest its own`, async () => {
    await using mesh = await startMesh(transport);
    using client = clientOf(mesh, { transport });
    const request = create(IngestRequestSchema, { ...TABLE, rows: [{ id: "1" }, { id: "2" }] });
    mesh.refusals.push(down(0.01));
    assert.equal((await client.data.ingest(request)).receipt?.acceptedCount, 2n);
    await client.data.ingest(request);
    const [first, again, second] = mesh.seen.map((call) => call.requestId);
    assert.match(first ?? "", /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(again, first);
    assert.notEqual(second, first);
    assert.equal(request.requestId, "", "the caller's message was changed");
  });

  test(`${transport}: every try asks for the token anew`, async () => {
    await using mesh = await startMesh(transport);
    let count = 0;
    using client = clientOf(mesh, { transport, token: () => Promise.resolve(`t-${++count}`) });
    mesh.refusals.push(down(0.01));
    await client.data.getTable(TABLE);
    await client.data.getTable(TABLE, { headers: { authorization: "Bearer mine" } });
    assert.deepEqual(
      mesh.seen.map((call) => call.authorization),
      ["Bearer t-1", "Bearer t-2", "Bearer mine"],
    );
  });

  test(`${transport}: a call whose token has expired is made once more with a new one`, async () => {
    await using mesh = await startMesh(transport);
    let count = 0;
    using client = clientOf(mesh, { transport, token: () => `t-${++count}` });
    const expired = () => refusal(Code.Unauthenticated, "TOKEN_EXPIRED");
    mesh.refusals.push(expired());
    await client.data.getTable(TABLE);
    mesh.refusals.push(expired(), expired());
    assert.equal((await refusedWith(client.data.getTable(TABLE))).reason, "TOKEN_EXPIRED");
    using fixed = clientOf(mesh, { transport });
    mesh.refusals.push(expired());
    assert.equal((await refusedWith(fixed.data.getTable(TABLE))).reason, "TOKEN_EXPIRED");
    assert.deepEqual(
      mesh.seen.map((call) => call.authorization),
      ["Bearer t-1", "Bearer t-2", "Bearer t-3", "Bearer t-4", "Bearer t-1"],
    );
  });

  test(`${transport}: a stream is not repeated`, async () => {
    await using mesh = await startMesh(transport);
    using client = clientOf(mesh, { transport });
    mesh.refusals.push(down(0.01));
    const stream = client.data.streamQuery({ platform: TABLE.platform, sql: "SELECT 1" });
    const error = await refusedWith(stream[Symbol.asyncIterator]().next());
    assert.deepEqual([error.code, error.reason], ["UNAVAILABLE", "SERVICE_UNAVAILABLE"]);
    assert.equal(mesh.seen.length, 1);
  });

  test(`${transport}: a mesh that is not there yet is waited for`, async () => {
    const gone = await startMesh(transport);
    const port = Number(new URL(gone.baseUrl).port);
    await gone[Symbol.asyncDispose]();
    using client = clientOf(gone, { transport });
    const call = client.data.getTable(TABLE);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await using _mesh = await startMesh(transport, port);
    assert.equal((await call).name, "orders");
  });

  test(`${transport}: a connection that breaks before its answer is made again`, async () => {
    await using mesh = await startMesh(transport);
    using client = clientOf(mesh, { transport });
    mesh.breaks.count = 2;
    assert.equal((await client.data.getTable(TABLE)).name, "orders");
    assert.equal(mesh.breaks.count, 0);
  });

  test(`${transport}: a connection that breaks in a stream is UNAVAILABLE`, async () => {
    await using mesh = await startMesh(transport);
    using client = clientOf(mesh, { transport });
    const stream = client.data.streamQuery({ platform: TABLE.platform, sql: "BREAK" })[Symbol.asyncIterator]();
    assert.equal((await stream.next()).done, false);
    assert.equal((await refusedWith(stream.next())).code, "UNAVAILABLE");
  });

  test(`${transport}: a reader that stops early ends the call`, async () => {
    await using mesh = await startMesh(transport);
    using client = clientOf(mesh, { transport });
    for await (const piece of client.data.streamQuery({ platform: TABLE.platform, sql: "FOREVER" })) {
      assert.equal(piece.arrowIpc.length, 2);
      break;
    }
    for (let wait = 0; wait < 100 && mesh.left.length === 0; wait++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.deepEqual(mesh.left, ["StreamQuery"]);
  });

  test(`${transport}: what a token's own function throws is not repeated`, async () => {
    await using mesh = await startMesh(transport);
    let count = 0;
    const token = () => {
      count += 1;
      throw new TypeError("no session");
    };
    using client = clientOf(mesh, { transport, token });
    const error = await refusedWith(client.data.getTable(TABLE));
    assert.deepEqual([error.code, error.message, count], ["UNKNOWN", "no session", 1]);
  });

  test(`${transport}: a mesh that nobody answers for is given up, as UNAVAILABLE`, async () => {
    const gone = await startMesh(transport);
    await gone[Symbol.asyncDispose]();
    using client = clientOf(gone, { transport, retries: { attempts: 2 } });
    const begun = performance.now();
    const error = await refusedWith(client.data.getTable(TABLE));
    assert.deepEqual([error.code, error.reason, error.sentReason], ["UNAVAILABLE", undefined, ""]);
    assert.ok(performance.now() - begun >= 195, "it was tried once only");
  });

  test(`${transport}: a call's own time ends its tries`, async () => {
    await using mesh = await startMesh(transport);
    using client = clientOf(mesh, { transport });
    mesh.refusals.push(down(10));
    const begun = performance.now();
    const error = await refusedWith(client.data.getTable(TABLE, { timeoutMs: 150 }));
    assert.equal(error.code, "DEADLINE_EXCEEDED");
    assert.ok(performance.now() - begun < 1500);
  });

  test(`${transport}: an abort ends the wait for the next try`, async () => {
    await using mesh = await startMesh(transport);
    using client = clientOf(mesh, { transport });
    mesh.refusals.push(down(10));
    const abort = new AbortController();
    const call = refusedWith(client.data.getTable(TABLE, { signal: abort.signal }));
    setTimeout(() => abort.abort(), 100);
    assert.equal((await call).code, "CANCELLED");
    assert.equal(mesh.seen.length, 1);
  });

  test(`${transport}: a client that is closed ends its calls and makes no more`, { timeout: 10_000 }, async () => {
    await using mesh = await startMesh(transport);
    const client = clientOf(mesh, { transport });
    const stream = client.data.streamQuery({ platform: TABLE.platform, sql: "FOREVER" })[Symbol.asyncIterator]();
    assert.equal((await stream.next()).done, false);
    const call = refusedWith(client.data.getTable({ ...TABLE, table: "FOREVER" }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    client.close();
    assert.equal((await call).code, "CANCELLED");
    const reading = async () => {
      while (!(await stream.next()).done) {
        // what had come before
      }
    };
    assert.equal((await refusedWith(reading())).code, "CANCELLED");
    const count = mesh.seen.length;
    const late = await refusedWith(client.data.getTable(TABLE));
    assert.deepEqual([late.code, late.message], ["CANCELLED", "The client is closed."]);
    assert.equal(mesh.seen.length, count);
  });
}

test("a time to wait of next to nothing does not become a flood", async () => {
  await using mesh = await startMesh();
  using client = clientOf(mesh, { retries: { attempts: 2, patienceSeconds: 0.4 } });
  mesh.refusals.push(...Array.from({ length: 10_000 }, () => down(0.0001)));
  await refusedWith(client.data.getTable(TABLE));
  assert.ok(mesh.seen.length >= 2 && mesh.seen.length <= 10, String(mesh.seen.length));
});

test("tries go on past their number while a service says that it is about to be back", async () => {
  await using mesh = await startMesh();
  using client = clientOf(mesh, { retries: { attempts: 2, patienceSeconds: 5 } });
  mesh.refusals.push(down(0.01), down(0.01), down(0.01), down(0.01));
  assert.equal((await client.data.getTable(TABLE)).name, "orders");
});

test("without patience the number of tries holds, and the last refusal is thrown", async () => {
  await using mesh = await startMesh();
  using client = clientOf(mesh, { retries: { attempts: 2, patienceSeconds: 0 } });
  mesh.refusals.push(down(0.01), down(0.01), down(0.01));
  assert.equal((await refusedWith(client.data.getTable(TABLE))).retryAfterSeconds, 0.01);
  assert.equal(mesh.seen.length, 2);
});

test("a wait that is longer than the patience is not begun", async () => {
  await using mesh = await startMesh();
  using client = clientOf(mesh);
  mesh.refusals.push(down(3600));
  assert.equal((await refusedWith(client.data.getTable(TABLE))).retryAfterSeconds, 3600);
  assert.equal(mesh.seen.length, 1);
});

test("a method whose every call counts is not repeated", async () => {
  await using mesh = await startMesh();
  using client = clientOf(mesh);
  mesh.refusals.push(down(0.01));
  await refusedWith(client.agent.design({ platform: TABLE.platform, requirements: "orders by day" }));
  assert.equal(mesh.seen.length, 1);
});

test("retries can be switched off", async () => {
  await using mesh = await startMesh();
  using client = clientOf(mesh, { retries: false });
  mesh.refusals.push(down(0.01));
  await refusedWith(client.data.getTable(TABLE));
  assert.equal(mesh.seen.length, 1);
});
