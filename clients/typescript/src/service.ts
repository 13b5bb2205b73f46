/** The methods of one service, as Connect types them. */
import type { DescMessage, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { type CallOptions, type Client, createClient, type Transport } from "@connectrpc/connect";

type Streaming = (
  request: MessageInitShape<DescMessage>,
  options?: CallOptions,
) => AsyncIterable<MessageShape<DescMessage>>;

/**
 * A client of `service` whose streams end when their reader stops early. Connect's own leave the call running, and with
 * it the query in the engine. A stream is asked for when its first message is.
 */
export function serviceClient<S extends DescService>(service: S, transport: Transport): Client<S> {
  const client = createClient(service, transport);
  const calls = client as Record<string, unknown>;
  for (const { localName, methodKind } of service.methods) {
    if (methodKind === "server_streaming") {
      calls[localName] = ending(calls[localName] as Streaming);
    }
  }
  return client;
}

function ending(call: Streaming): Streaming {
  return async function* (request, options = {}) {
    const over = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, over.signal]) : over.signal;
    try {
      yield* call(request, { ...options, signal });
    } finally {
      over.abort();
    }
  };
}
