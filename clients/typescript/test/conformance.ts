/**
 * Makes the calls that standard input lists, one after the other, and prints what became of each as JSON: the messages
 * of its answer, or its refusal. `tests/e2e` runs it against a whole mesh.
 */
import { text } from "node:stream/consumers";
import {
  createRegistry,
  type DescMethod,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  toJson,
} from "@bufbuild/protobuf";
import { ApiError, type Client, createClient, type Protocol } from "@aidatalabs/client";
import { AgentService } from "@aidatalabs/client/contract/agent/v1/agent_service_pb";
import { DataService } from "@aidatalabs/client/contract/data/v1/data_service_pb";
import { IdentityService } from "@aidatalabs/client/contract/identity/v1/identity_service_pb";
import { MonitoringService } from "@aidatalabs/client/contract/monitoring/v1/monitoring_service_pb";
import { PlatformService } from "@aidatalabs/client/contract/platform/v1/platform_service_pb";
import { file_google_rpc_error_details } from "@aidatalabs/client/rpc/error_details_pb";

interface Call {
  /** `/aidatalabs.data.v1.DataService/Query`. */
  readonly method: string;
  readonly fields: JsonObject;
  readonly token: string;
}

interface Outcome {
  readonly messages?: JsonValue[];
  readonly refused?: Partial<ApiError>;
}

type Sent = (request: Message | AsyncIterable<Message>) => Promise<Message> | AsyncIterable<Message>;

const SERVICES = [AgentService, DataService, IdentityService, MonitoringService, PlatformService];
const METHODS = new Map<string, DescMethod>(
  SERVICES.flatMap((service) => service.methods.map((method) => [`/${service.typeName}/${method.name}`, method])),
);
const registry = createRegistry(file_google_rpc_error_details);

/** A stream of one message. */
async function* one(message: Message): AsyncIterable<Message> {
  yield message;
}

async function outcome(client: Client, { method: path, fields }: Call): Promise<Outcome> {
  const method = METHODS.get(path);
  if (method === undefined) {
    throw new Error(`the contract has no ${path}`);
  }
  const name = method.parent.typeName.split(".")[1] as "agent" | "data" | "identity" | "monitoring" | "platform";
  const send = (client[name] as unknown as Record<string, Sent>)[method.localName];
  if (send === undefined) {
    throw new Error(`the client has no ${name}.${method.localName}`);
  }
  const messages: JsonValue[] = [];
  const told = (message: Message) =>
    messages.push(toJson(method.output, message, { useProtoFieldName: true, registry }));
  try {
    const request = fromJson(method.input, fields);
    const streams = method.methodKind === "bidi_streaming" || method.methodKind === "client_streaming";
    const answer = send(streams ? one(request) : request);
    if (answer instanceof Promise) {
      told(await answer);
    } else {
      for await (const message of answer) {
        told(message);
      }
    }
    return { messages };
  } catch (thrown) {
    if (!(thrown instanceof ApiError)) {
      throw thrown;
    }
    const { code, reason, message, metadata, violations, requestId } = thrown;
    return { refused: { code, reason, message, metadata, violations, requestId } };
  }
}

const asked = JSON.parse(await text(process.stdin)) as { baseUrl: string; transport: Protocol; calls: Call[] };
const outcomes: Outcome[] = [];
for (const call of asked.calls) {
  const client = createClient({ baseUrl: asked.baseUrl, transport: asked.transport, token: call.token });
  outcomes.push(await outcome(client, call));
  client.close();
}
process.stdout.write(JSON.stringify(outcomes));
