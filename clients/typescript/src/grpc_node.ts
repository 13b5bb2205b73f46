/** Native gRPC, in Node: all calls share one HTTP/2 connection. */
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

/** Opens a gRPC transport; `close` ends its connection. */
export function openGrpc(baseUrl: string, interceptors: Interceptor[]): { transport: Transport; close: () => void } {
  const sessionManager = new Http2SessionManager(baseUrl);
  return {
    transport: createGrpcTransport({ baseUrl, interceptors: [...interceptors, telling], sessionManager }),
    close: () => sessionManager.abort(),
  };
}

/**
 * Makes a broken connection UNAVAILABLE. Node closes its streams as if they were cancelled, and that is what the
 * transport reports; here nobody has, as long as the signal says so. A service that cancels gives its reason.
 */
const telling: Interceptor = (next) => async (request) => {
  const broken = (thrown: unknown): never => {
    const error = ConnectError.from(thrown);
    if (error.code === Code.Canceled && error.details.length === 0 && !request.signal.aborted) {
      throw new ConnectError("The mesh broke the connection.", Code.Unavailable, error.metadata, [], error);
    }
    throw thrown;
  };
  const answer = await next(request).catch(broken);
  return answer.stream ? { ...answer, message: caught(answer.message, broken) } : answer;
};

async function* caught<T>(messages: AsyncIterable<T>, broken: (thrown: unknown) => never): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (thrown) {
    broken(thrown);
  }
}
