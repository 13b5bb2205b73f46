/** What makes answers handy: rows as objects, lists without pages, streams without an open end. */
import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { ListValueSchema } from "@bufbuild/protobuf/wkt";
import type { StreamAnswerResponse } from "#gen/aidatalabs/agent/v1/agent_service_pb.js";
import type { Result } from "#gen/aidatalabs/data/v1/query_pb.js";
import { ApiError } from "./errors.js";

/** A row by column name: integers of 10^15 and beyond, decimals and times are strings, NULL is null. */
export type Row = Record<string, JsonValue>;

/** The rows of a result as objects; none where there is no result. The second column `n` becomes `n_2`. */
export function rows<T extends object = Row>(result: Result | undefined): T[] {
  if (result === undefined) {
    return [];
  }
  const names = distinct(result.columns.map((column) => column.name));
  return result.rows.map((row) => {
    const values = toJson(ListValueSchema, row) as JsonValue[];
    return Object.fromEntries(names.map((name, index) => [name, values[index] ?? null])) as T;
  });
}

function distinct(names: readonly string[]): string[] {
  const taken = new Set(names);
  const seen = new Set<string>();
  return names.map((name) => {
    let free = name;
    for (let number = 2; seen.has(free) || (free !== name && taken.has(free)); number++) {
      free = `${name}_${number}`;
    }
    seen.add(free);
    return free;
  });
}

interface PageRequest {
  pageToken?: string;
}

interface Page {
  nextPageToken: string;
}

/** The element of the one list that a page holds. */
type Item<P> = ListsOf<P>[keyof ListsOf<P>];
type ListsOf<P> = { [K in keyof P as K extends `$${string}` ? never : K]-?: P[K] extends (infer T)[] ? T : never };

/** The pages of a list method, fetched one by one: `for await (const page of pages(client.data.listTables, {…}))`. */
export async function* pages<R extends PageRequest, P extends Page>(
  list: (request: R) => Promise<P>,
  request: NoInfer<R>,
): AsyncGenerator<P> {
  let pageToken = request.pageToken ?? "";
  do {
    const page = await list({ ...request, pageToken });
    yield page;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}

/** Everything a list method lists, one by one, fetching the next page when it is needed. */
export async function* items<R extends PageRequest, P extends Page>(
  list: (request: R) => Promise<P>,
  request: NoInfer<R>,
): AsyncGenerator<Item<P>> {
  for await (const page of pages(list, request)) {
    for (const [name, value] of Object.entries(page)) {
      if (Array.isArray(value) && !name.startsWith("$")) {
        yield* value as Item<P>[];
      }
    }
  }
}

/**
 * The events of `streamAnswer`, up to and with `done`. An `error` event is thrown as the refusal it tells of, and so is
 * a stream that ends without either.
 */
export async function* steps(stream: AsyncIterable<StreamAnswerResponse>): AsyncGenerator<StreamAnswerResponse> {
  for await (const event of stream) {
    if (event.event === "error") {
      throw event.error === undefined
        ? ApiError.ofClient("UNKNOWN", "The answer broke off without a reason.")
        : ApiError.ofStatus(event.error);
    }
    yield event;
    if (event.event === "done") {
      return;
    }
  }
  throw ApiError.ofClient("UNAVAILABLE", "The answer broke off before its end; ask again.");
}

/** The pieces of `export` or `streamQuery` as one whole: a file, or a complete Arrow IPC stream. */
export async function joined(
  stream: AsyncIterable<{ data: Uint8Array } | { arrowIpc: Uint8Array }>,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) {
    pieces.push("data" in piece ? piece.data : piece.arrowIpc);
  }
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}
