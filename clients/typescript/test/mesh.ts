/** A small real server of the tests' own, which refuses as it is told to, over gRPC-Web and gRPC. */
import * as http from "node:http";
import * as http2 from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { type Client, type ClientOptions, createClient, type Protocol } from "@aidatalabs/client";
import { AgentService, type StreamAnswerResponseSchema } from "@aidatalabs/client/contract/agent/v1/agent_service_pb";
import { DataService, type IngestRequest } from "@aidatalabs/client/contract/data/v1/data_service_pb";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "@aidatalabs/client/rpc/error_details_pb";

/** What the server saw of a call. */
export interface Seen {
  readonly method: string;
  readonly authorization: string | null;
  readonly requestId: string;
  readonly time: number;
}

/** A server on a port of its own, and what came to it. */
export interface Mesh extends AsyncDisposable {
  readonly baseUrl: string;
  readonly seen: Seen[];
  /** Taken from the front, one a call; a call that finds none is answered. */
  readonly refusals: ConnectError[];
  /** So many of the next calls lose their connection. */
  readonly breaks: { count: number };
  /** Methods whose caller went away. */
  readonly left: string[];
  readonly events: MessageInitShape<typeof StreamAnswerResponseSchema>[];
}

/** A refusal as our services write it. */
export function refusal(
  code: Code,
  reason: string,
  more: { retrySeconds?: number; fields?: Record<string, string>; metadata?: Record<string, string> } = {},
): ConnectError {
  const metadata = { request_id: "call-1", ...more.metadata };
  const refused = new ConnectError(`Refused: ${reason}.`, code, undefined, [
    { desc: ErrorInfoSchema, value: { reason, domain: "aidatalabs", metadata } },
  ]);
  if (more.retrySeconds !== undefined) {
    const nanos = Math.round(more.retrySeconds * 1e9);
    const retryDelay = { seconds: BigInt(Math.floor(nanos / 1e9)), nanos: nanos % 1e9 };
    refused.details.push({ desc: RetryInfoSchema, value: { retryDelay } });
  }
  if (more.fields !== undefined) {
    const fieldViolations = Object.entries(more.fields).map(([field, description]) => ({ field, description }));
    refused.details.push({ desc: BadRequestSchema, value: create(BadRequestSchema, { fieldViolations }) });
  }
  return refused;
}

/** Starts a server; on `port`, where one is named. */
export async function startMesh(protocol: Protocol = "grpc-web", port = 0): Promise<Mesh> {
  const seen: Seen[] = [];
  const refusals: ConnectError[] = [];
  const events: Mesh["events"] = [];
  const left: string[] = [];
  const breaks = { count: 0 };
  const sockets = new Set<Socket>();
  const cut = () => sockets.forEach((socket) => socket.destroy());
  const adapter = connectNodeAdapter({ routes: (router) => routes(router, { seen, refusals, events, left, cut }) });
  // The two differ in nothing that is used here.
  const server = protocol === "grpc" ? (http2.createServer() as unknown as http.Server) : http.createServer();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.on("request", (request, response) => {
    if (breaks.count > 0) {
      breaks.count -= 1;
      cut();
    } else {
      adapter(request, response);
    }
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    refusals,
    breaks,
    events,
    left,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      cut();
      await closed;
    },
  };
}

function routes(
  router: ConnectRouter,
  { seen, refusals, events, left, cut }: Pick<Mesh, "seen" | "refusals" | "events" | "left"> & { cut: () => void },
): void {
  const enter = (context: HandlerContext, requestId = "") => {
    seen.push({
      method: context.method.name,
      authorization: context.requestHeader.get("authorization"),
      requestId,
      time: performance.now(),
    });
    const refused = refusals.shift();
    if (refused !== undefined) {
      throw refused;
    }
  };
  router.service(DataService, {
    getTable: async (request, context) => {
      enter(context);
      while (request.table === "FOREVER" && !context.signal.aborted) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return { name: request.table };
    },
    ingest: (request: IngestRequest, context) => {
      enter(context, request.requestId);
      return { receipt: { acceptedCount: BigInt(request.rows.length) } };
    },
    listTables: (request, context) => {
      enter(context);
      const page = Number(request.pageToken || 0);
      return { tables: [{ name: `t${page}a` }, { name: `t${page}b` }], nextPageToken: page < 2 ? `${page + 1}` : "" };
    },
    streamQuery: async function* (request, context) {
      enter(context);
      yield { arrowIpc: new Uint8Array([1, 2]) };
      if (request.sql === "FOREVER") {
        context.signal.addEventListener("abort", () => left.push(context.method.name));
        while (!context.signal.aborted) {
          await new Promise((resolve) => setTimeout(resolve, 10));
          yield { arrowIpc: new Uint8Array([3]) };
        }
      }
      if (request.sql === "BREAK") {
        setTimeout(cut, 50);
        await new Promise(() => undefined);
      }
      yield { arrowIpc: new Uint8Array([3]) };
    },
  });
  router.service(AgentService, {
    design: (_request, context) => {
      enter(context);
      return {};
    },
    streamAnswer: async function* (_request, context) {
      enter(context);
      yield* events;
    },
  });
}

/** A client of a server, closed with it. */
export function clientOf(mesh: Mesh, options: Partial<ClientOptions> = {}): Client & Disposable {
  const client = createClient({ baseUrl: mesh.baseUrl, token: "t-1", ...options });
  return { ...client, [Symbol.dispose]: () => client.close() };
}
