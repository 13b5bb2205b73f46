/** Takes the place of `grpc_node` where there is no Node. */
import type { Interceptor, Transport } from "@connectrpc/connect";

/** Refuses: browsers cannot read the trailers that gRPC ends with. */
export function openGrpc(_baseUrl: string, _interceptors: Interceptor[]): { transport: Transport; close: () => void } {
  throw new Error('Native gRPC needs Node; leave out `transport`, or set it to "grpc-web".');
}
