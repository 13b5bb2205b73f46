/** What every call gets on its way: a token, a request id, another try where it does no harm. */
import type { DescMethod } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { ApiError } from "./errors.js";

/** A bearer token, or what returns one; it is asked for every try of every call, so it keeps a token that is good. */
export type Token = string | (() => string | Promise<string>);

/** How long a call that may be repeated is repeated while a service is down or overloaded. */
export interface Retries {
  /** Tries in all, where nobody of the mesh says that it is about to be back; 5. */
  readonly attempts: number;
  /** As long as a service says that it is about to be back; 20 seconds. A longer wait than this is refused at once. */
  readonly patienceSeconds: number;
}

const SHORTEST_PAUSE_SECONDS = 0.05;
const FIRST_PAUSE_SECONDS = 0.2;
const LONGEST_PAUSE_SECONDS = 2;

/** Methods without a request id whose every call counts; the services' access table says the same. */
const NEVER_REPEATED: ReadonlySet<string> = new Set(["aidatalabs.agent.v1.AgentService.Design"]);

/** Whether repeating a call leaves the same state: it reads, sets, or has a request id, which is always sent. */
export function isRepeatable(method: DescMethod): boolean {
  return method.methodKind === "unary" && !NEVER_REPEATED.has(`${method.parent.typeName}.${method.name}`);
}

/**
 * Puts `authorization: Bearer …` on a call, unless the caller did or the token is empty (a browser session). A unary
 * call whose token has expired is made once more, with a new one, where a function gives them.
 */
export function bearing(token: Token): Interceptor {
  return (next) => async (request) => {
    if (request.header.has("authorization") && !bearers.has(request.header)) {
      return await next(request);
    }
    bearers.add(request.header);
    if (typeof token === "string") {
      bear(request.header, token);
      return await next(request);
    }
    bear(request.header, await token());
    try {
      return await next(request);
    } catch (thrown) {
      if (request.stream || ApiError.of(thrown).reason !== "TOKEN_EXPIRED") {
        throw thrown;
      }
      bear(request.header, await token());
      return await next(request);
    }
  };
}

/** Headers whose token is ours, and replaced by the next try's. */
const bearers = new WeakSet<Headers>();

function bear(header: Headers, token: string): void {
  if (token === "") {
    header.delete("authorization");
  } else {
    header.set("authorization", `Bearer ${token}`);
  }
}

/** Fills an empty `request_id`, so that the call may be repeated. The caller's own message is not touched. */
export const identifying: Interceptor = (next) => async (request) => {
  if (request.stream || request.method.input.field["requestId"] === undefined) {
    return await next(request);
  }
  const message = request.message as typeof request.message & { requestId?: string };
  if (message.requestId) {
    return await next(request);
  }
  const identified: typeof message = { ...message, requestId: newRequestId() };
  return await next({ ...request, message: identified });
};

/** Repeats a call that may be repeated, after the time its refusal names, within its deadline. */
export function repeating({ attempts, patienceSeconds }: Retries): Interceptor {
  return (next) => async (request) => {
    if (!isRepeatable(request.method)) {
      return await next(request);
    }
    const begun = performance.now();
    for (let attempt = 1; ; attempt++) {
      try {
        return await next(request);
      } catch (thrown) {
        const error = ApiError.of(thrown);
        const waited = (performance.now() - begun) / 1000;
        const pause = pauseSeconds(error, attempt);
        const patient = error.sentReason !== "" && waited < patienceSeconds;
        if (pause === undefined || pause > Math.max(patienceSeconds, LONGEST_PAUSE_SECONDS)) {
          throw thrown;
        }
        if (attempt >= attempts && !patient) {
          throw thrown;
        }
        await sleep(pause, request.signal);
      }
    }
  };
}

/** Seconds until the next try; undefined where waiting does not help. Up to a fifth more, so that clients spread. */
function pauseSeconds(error: ApiError, attempt: number): number | undefined {
  const named = error.retryAfterSeconds;
  if (error.code !== "UNAVAILABLE" && !(error.code === "RESOURCE_EXHAUSTED" && named !== undefined)) {
    return undefined;
  }
  const own = Math.min(FIRST_PAUSE_SECONDS * 2 ** Math.min(attempt - 1, 8), LONGEST_PAUSE_SECONDS);
  return Math.max(named || own, SHORTEST_PAUSE_SECONDS) * (1 + Math.random() / 5);
}

/** Waits, or throws the signal's reason as soon as it is aborted. */
async function sleep(seconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
    signal.addEventListener("abort", stop, { once: true });
  });
}

/** A random UUID; `crypto.randomUUID` is missing on pages that are not served over TLS. */
export function newRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
