/** Client of AI Data Labs, for browsers and Node. */
export { createClient, type Client, type ClientOptions } from "./client.js";
export { ApiError, isReason, type GrpcCode, type Reason, type Violation } from "./errors.js";
export { items, joined, pages, rows, steps, type Row } from "./answers.js";
export { isRepeatable, newRequestId, type Retries, type Token } from "./interceptors.js";
export type { Connection, Protocol } from "./transport.js";
export { Role } from "#gen/aidatalabs/common/v1/access_service_pb.js";
export { ExportRequest_Format } from "#gen/aidatalabs/data/v1/data_service_pb.js";
export { Receipt_State } from "#gen/aidatalabs/data/v1/ingest_pb.js";
export { Platform_State } from "#gen/aidatalabs/platform/v1/platform_pb.js";
