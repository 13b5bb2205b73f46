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
  /** Ends calls under way and closes connections; calls after it are CANCELLED. */
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
  private readonly over = new AbortController();

  constructor(
    private readonly inner: Transport,
    private readonly closeInner: () => void,
    private readonly defaultTimeoutMs: number,
  ) {}

  close(): void {
    this.over.abort(ApiError.ofClient("CANCELLED", "The client is closed."));
    this.closeInner();
  }

  /** What fails once the client is closed is told so, however the transport took it. */
  private told(thrown: unknown): unknown {
    return this.over.signal.aborted ? this.over.signal.reason : ApiError.of(thrown);
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    const call = endedBy(this.over.signal, signal);
    try {
      this.over.signal.throwIfAborted();
      return await this.inner.unary(
        method,
        call.signal,
        timeoutMs ?? this.defaultTimeoutMs,
        header,
        input,
        contextValues,
      );
    } catch (thrown) {
      throw this.told(thrown);
    } finally {
      call.release();
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
    const call = endedBy(this.over.signal, signal);
    try {
      this.over.signal.throwIfAborted();
      const answer = await this.inner.stream(method, call.signal, timeoutMs, header, input, contextValues);
      return { ...answer, message: this.failing(answer.message, call) };
    } catch (thrown) {
      call.release();
      throw this.told(thrown);
    }
  }

  private async *failing<T>(messages: AsyncIterable<T>, call: Ending): AsyncGenerator<T> {
    try {
      yield* messages;
    } catch (thrown) {
      throw this.told(thrown);
    } finally {
      call.release();
    }
  }
}

/** What ends one call, and is let go of when the call is over. */
interface Ending {
  readonly signal: AbortSignal;
  release(): void;
}

/** A signal that either of two aborts. `AbortSignal.any` keeps its hold on a signal that outlives many calls. */
function endedBy(closing: AbortSignal, own: AbortSignal | undefined): Ending {
  const sources = own === undefined ? [closing] : [closing, own];
  const either = new AbortController();
  const stop = (event: Event) => either.abort((event.target as AbortSignal).reason);
  for (const source of sources) {
    if (source.aborted) {
      either.abort(source.reason);
    }
    source.addEventListener("abort", stop, { once: true });
  }
  return {
    signal: either.signal,
    release: () => sources.forEach((source) => source.removeEventListener("abort", stop)),
  };
}
