/** What fetch does not tell apart: a network that failed, and a mistake in a program. */
import { Code, ConnectError } from "@connectrpc/connect";

type Fetch = typeof globalThis.fetch;

/**
 * The same fetch, whose failures to connect, and to read an answer to its end, are UNAVAILABLE. fetch reports both as
 * a TypeError, as JavaScript does its own.
 */
export function telling(fetch: Fetch): Fetch {
  return async (input, init) => {
    const answer = await fetch(input, init).catch((thrown) => unavailable(thrown, input));
    if (answer.body === null) {
      return answer;
    }
    const reader = answer.body.getReader();
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await reader.read().catch((thrown) => unavailable(thrown, input));
        if (done) {
          controller.close();
        } else {
          controller.enqueue(value);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    });
    return new Response(body, answer);
  };
}

function unavailable(thrown: unknown, input: RequestInfo | URL): never {
  if (thrown instanceof TypeError) {
    const { origin } = new URL(input instanceof Request ? input.url : input, "http://localhost");
    const message = `The mesh cannot be reached at ${origin}, or broke the connection.`;
    throw new ConnectError(message, Code.Unavailable, undefined, [], thrown);
  }
  throw thrown;
}
