/** The way to the mesh: a transport of Connect whose failures are `ApiError`. */
import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ContextValues, Interceptor, StreamResponse, Transport, UnaryResponse } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { openGrpc } from "#grpc";
import { ApiError } from "./errors.js";
import { telling } from "./network.js";

/** How to speak: gRPC-Web runs everywhere; native gRPC needs Node. */
export type Protocol = "grpc-web" | "grpc";

/** A transport that can be let go of. */
export interface Connection extends Transport {
  /** Ends calls under way and closes connections; a gRPC-Web one has none of its own to close. */
  close(): void;
}

/** What a connection is made with. */
export interface ConnectionOptions {
  readonly protocol: Protocol;
  readonly baseUrl: string;
  readonly interceptors: Interceptor[];
  readonly fetch?: typeof globalThis.fetch;
  /** For a unary call that names none itself. */
  readonly timeoutMs: number;
}

/** Opens a way to the edge at `baseUrl`. */
export function connect(options: ConnectionOptions): Connection {
  const { baseUrl, interceptors } = options;
  // Looked up at each call, as a page's own tools may replace it.
  const fetch = telling(options.fetch ?? ((input, init) => globalThis.fetch(input, init)));
  const opened =
    options.protocol === "grpc"
      ? openGrpc(baseUrl, interceptors)
      : {
          transport: createGrpcWebTransport({ baseUrl, interceptors, fetch }),
          close: () => undefined,
        };
  return new ApiTransport(opened.transport, opened.close, options.timeoutMs);
}

class ApiTransport implements Connection {
  constructor(
    private readonly inner: Transport,
    readonly close: () => void,
    private readonly defaultTimeoutMs: number,
  ) {}

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    try {
      return await this.inner.unary(
        method,
        signal,
        timeoutMs ?? this.defaultTimeoutMs,
        header,
        input,
        contextValues,
      );
    } catch (thrown) {
      throw ApiError.of(thrown);
    }
  }

  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    try {
      const answer = await this.inner.stream(method, signal, timeoutMs, header, input, contextValues);
      return { ...answer, message: failing(answer.message) };
    } catch (thrown) {
      throw ApiError.of(thrown);
    }
  }
}

async function* failing<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (thrown) {
    throw ApiError.of(thrown);
  }
}
