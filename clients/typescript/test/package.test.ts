/** The package as a whole: what a browser may load of it. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

const DIST = new URL(".", import.meta.resolve("@aidatalabs/client"));

test("nothing but the way to native gRPC needs Node", async () => {
  const needing: string[] = [];
  for (const name of await readdir(DIST)) {
    if (name.endsWith(".js")) {
      const source = await readFile(new URL(name, DIST), "utf8");
      if (/from ["'](node:|@connectrpc\/connect-node)/.test(source)) {
        needing.push(name);
      }
    }
  }
  assert.deepEqual(needing, ["grpc_node.js"]);
});

test("a browser that asks for native gRPC is told what to do", async () => {
  const browser = (await import(new URL("grpc_browser.js", DIST).href)) as { openGrpc: () => void };
  assert.throws(() => browser.openGrpc(), /leave out `transport`/);
});
