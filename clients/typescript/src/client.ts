/** The client of one mesh. */
import type { Client as ServiceClient, Interceptor } from "@connectrpc/connect";
import { AgentService } from "#gen/aidatalabs/agent/v1/agent_service_pb.js";
import { DataService } from "#gen/aidatalabs/data/v1/data_service_pb.js";
import { IdentityService } from "#gen/aidatalabs/identity/v1/identity_service_pb.js";
import { MonitoringService } from "#gen/aidatalabs/monitoring/v1/monitoring_service_pb.js";
import { PlatformService } from "#gen/aidatalabs/platform/v1/platform_service_pb.js";
import { bearing, identifying, repeating, type Retries, type Token } from "./interceptors.js";
import { serviceClient } from "./service.js";
import { connect, type Connection, type Protocol } from "./transport.js";

/** How to reach a mesh. */
export interface ClientOptions {
  /** Where the edge is: `http://127.0.0.1:8080`; in the console's own pages `location.origin`. */
  readonly baseUrl: string;
  /** Left out, a browser's session cookie says who calls. */
  readonly token?: Token;
  /** `grpc-web` unless it is said otherwise. */
  readonly transport?: Protocol;
  /** `false` for none; 5 attempts and 20 seconds of patience where they are left out. */
  readonly retries?: Partial<Retries> | false;
  /** The longest a unary call may take with all its tries, where the call names no `timeoutMs`; 60,000. */
  readonly timeoutMs?: number;
  /** Runs outside of this client's own interceptors. */
  readonly interceptors?: readonly Interceptor[];
  /** Takes the place of the global `fetch`, for gRPC-Web. */
  readonly fetch?: typeof globalThis.fetch;
}

/** The services of a mesh. Every call throws `ApiError` and nothing else. */
export interface Client {
  readonly agent: ServiceClient<typeof AgentService>;
  readonly data: ServiceClient<typeof DataService>;
  readonly platform: ServiceClient<typeof PlatformService>;
  readonly identity: ServiceClient<typeof IdentityService>;
  readonly monitoring: ServiceClient<typeof MonitoringService>;
  /** For Connect's own functions. */
  readonly transport: Connection;
  /** Ends calls under way and closes connections, so that a Node process can end. */
  close(): void;
}

const RETRIES: Retries = { attempts: 5, patienceSeconds: 20 };

/** Makes a client; nothing is sent before the first call. */
export function createClient(options: ClientOptions): Client {
  const { baseUrl, token = "", retries = {}, fetch } = options;
  const transport = connect({
    protocol: options.transport ?? "grpc-web",
    baseUrl: baseUrl.replace(/\/+$/, ""),
    // The first is the outermost: one id for all tries, a token for each.
    interceptors: [
      ...(options.interceptors ?? []),
      identifying,
      ...(retries === false ? [] : [repeating({ ...RETRIES, ...retries })]),
      bearing(token),
    ],
    timeoutMs: options.timeoutMs ?? 60_000,
    ...(fetch && { fetch }),
  });
  return {
    agent: serviceClient(AgentService, transport),
    data: serviceClient(DataService, transport),
    platform: serviceClient(PlatformService, transport),
    identity: serviceClient(IdentityService, transport),
    monitoring: serviceClient(MonitoringService, transport),
    transport,
    close: () => transport.close(),
  };
}
