/** What a call may throw: one class that carries everything a service said. */
import type { Message } from "@bufbuild/protobuf";
import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "#gen/aidatalabs/common/v1/error_reason_pb.js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import type { Status } from "#gen/google/rpc/status_pb.js";

/** Every reason of the contract's catalogue; its comments there say when each is given. */
export type Reason = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

const CODES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

/** The gRPC codes by name. */
export type GrpcCode = (typeof CODES)[number];

/** A field of the request that breaks a rule, by its path, and what is wrong with it. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

/** What a refusal says beside its code and text, as the details of `google.rpc.Status` have it. */
interface Details {
  reason: string;
  requestId: string;
  traceId: string;
  metadata: Record<string, string>;
  violations: Violation[];
  retryAfterSeconds: number | undefined;
}

/**
 * A refusal of a service, or a failure to reach it.
 *
 * `reason` is one of the catalogue, and undefined where no service answered or a newer one gave a reason that
 * this client does not know; `sentReason` is the text as it came. `metadata` has the facts of the reason,
 * `requestId` names the call when reporting it, `retryAfterSeconds` is set where waiting helps.
 */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: GrpcCode;
  readonly reason: Reason | undefined;
  readonly sentReason: string;
  readonly requestId: string;
  readonly traceId: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly Violation[];
  readonly retryAfterSeconds: number | undefined;

  private constructor(code: number, message: string, details: Details, cause?: unknown) {
    super(message || "The service gave no reason.", cause === undefined ? undefined : { cause });
    this.code = CODES[code] ?? "UNKNOWN";
    this.sentReason = details.reason;
    this.reason = isReason(details.reason) ? details.reason : undefined;
    this.requestId = details.requestId;
    this.traceId = details.traceId;
    this.metadata = details.metadata;
    this.violations = details.violations;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  /** The error of a failed call; anything else thrown on its way is UNKNOWN, or CANCELLED for an abort. */
  static of(thrown: unknown): ApiError {
    if (thrown instanceof ApiError) {
      return thrown;
    }
    const error = ConnectError.from(thrown);
    const details = read({ find: (schema) => error.findDetails(schema)[0] });
    return new ApiError(error.code, error.rawMessage, details, error.cause ?? error);
  }

  /** The error that a `google.rpc.Status` inside a stream describes. */
  static ofStatus(status: Status): ApiError {
    return new ApiError(status.code, status.message, read({ find: (schema) => unpacked(status.details, schema) }));
  }

  /** A failure that this client found by itself. */
  static ofClient(code: GrpcCode, message: string): ApiError {
    return new ApiError(CODES.indexOf(code), message, read({ find: () => undefined }));
  }
}

/** Whether a text stands in the catalogue that this client was generated from. */
export function isReason(text: string): text is Reason {
  return text !== "UNSPECIFIED" && Object.hasOwn(ErrorReason, text) && Number.isNaN(Number(text));
}

interface Found {
  find<T extends Message>(schema: GenMessage<T>): T | undefined;
}

function read(status: Found): Details {
  const info = status.find(ErrorInfoSchema);
  const { request_id: requestId = "", trace_id: traceId = "", ...metadata } = info?.metadata ?? {};
  const delay = status.find(RetryInfoSchema)?.retryDelay;
  return {
    reason: info?.reason ?? "",
    requestId,
    traceId,
    metadata,
    violations: (status.find(BadRequestSchema)?.fieldViolations ?? []).map(({ field, description }) => ({
      field,
      description,
    })),
    retryAfterSeconds: delay === undefined ? undefined : Number(delay.seconds) + delay.nanos / 1e9,
  };
}

function unpacked<T extends Message>(details: readonly Any[], schema: GenMessage<T>): T | undefined {
  for (const detail of details) {
    const message = anyUnpack(detail, schema);
    if (message !== undefined) {
      return message;
    }
  }
  return undefined;
}
