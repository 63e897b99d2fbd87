// Requests to the admin API: typed, with the CSRF token, with one kind of failure. Only GET is ever repeated.

import type { ApiError, Reason } from "./types";

const BASE = "/api/v1";
const GET_TIMEOUT_MS = 20_000;
const GET_TRIES = 3;

/** Why a request came to nothing. `code` is the server's, or `offline`, `timeout`, `unreadable` of our own. */
export class Failure extends Error {
  override name = "Failure";
  constructor(
    readonly code: string,
    readonly status: number,
    message: string,
    readonly params: Record<string, string> = {},
    readonly retry: "never" | "later" | "refresh" = "never",
    readonly retryAfterMs: number | undefined = undefined,
    readonly requestId = "",
    readonly reasons: Reason[] = [],
  ) {
    super(message);
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>;

export interface RequestOptions {
  query?: Query;
  /** Sent as JSON, unless it is a Blob or an ArrayBuffer. */
  body?: unknown;
  signal?: AbortSignal | undefined;
}

/** Set by the session: what a change must carry, and whom to tell that nobody is signed in any more. */
export const credentials = {
  csrf: "",
  onUnauthenticated: () => {},
  /** Called after every answer, whatever it says: the server is there. */
  onAnswer: () => {},
};

export function url(path: string, query?: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  if (!text) return BASE + path;
  return BASE + path + (path.includes("?") ? "&" : "?") + text;
}

export async function failureOf(response: Response): Promise<Failure> {
  const text = await response.text().catch(() => "");
  try {
    const { error } = JSON.parse(text) as ApiError;
    return new Failure(
      error.code,
      response.status,
      error.message,
      error.params ?? {},
      error.retry ?? "never",
      error.retry_after_ms,
      error.request_id ?? "",
      error.reasons ?? [],
    );
  } catch {
    const id = response.headers.get("x-request-id") ?? "";
    const code = response.status === 401 ? "unauthenticated" : "unreadable";
    return new Failure(code, response.status, `HTTP ${response.status}`, {}, "never", undefined, id);
  }
}

async function once(method: string, path: string, options: RequestOptions): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json" };
  let body: BodyInit | undefined;
  if (options.body instanceof Blob || options.body instanceof ArrayBuffer) {
    body = options.body;
  } else if (options.body !== undefined) {
    headers["content-type"] = "application/json";
    body = JSON.stringify(options.body);
  }
  if (method !== "GET" && credentials.csrf) headers["x-holdfast-csrf"] = credentials.csrf;
  const timeout = new AbortController();
  const cancel = () => timeout.abort(options.signal?.reason);
  options.signal?.addEventListener("abort", cancel);
  const timer = method === "GET" ? setTimeout(() => timeout.abort("timeout"), GET_TIMEOUT_MS) : undefined;
  try {
    const init: RequestInit = { method, headers, credentials: "same-origin", signal: timeout.signal };
    if (body !== undefined) init.body = body;
    return await fetch(url(path, options.query), init);
  } catch (cause) {
    if (options.signal?.aborted) throw cause;
    if (timeout.signal.aborted) throw new Failure("timeout", 0, "no answer in time", {}, "later");
    throw new Failure("offline", 0, "the server cannot be reached", {}, "later");
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", cancel);
  }
}

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const tries = method === "GET" ? GET_TRIES : 1;
  for (let attempt = 1; ; attempt++) {
    let failure: Failure;
    try {
      const response = await once(method, path, options);
      credentials.onAnswer();
      if (response.ok) {
        const text = await response.text();
        return (text ? JSON.parse(text) : undefined) as T;
      }
      failure = await failureOf(response);
    } catch (cause) {
      if (cause instanceof SyntaxError) {
        throw new Failure("unreadable", 0, "the answer cannot be read");
      }
      if (!(cause instanceof Failure)) throw cause;
      failure = cause;
    }
    if (failure.status === 401 && failure.code === "unauthenticated") credentials.onUnauthenticated();
    if (failure.retry !== "later" || attempt >= tries || failure.code === "timeout") throw failure;
    await pause(Math.min(failure.retryAfterMs ?? 300 * 2 ** attempt, 5_000));
    if (options.signal?.aborted) throw failure;
  }
}

export const api = {
  get: <T>(path: string, query?: Query, signal?: AbortSignal) =>
    request<T>("GET", path, { query: query ?? {}, signal }),
  post: <T>(path: string, body?: unknown, query?: Query) =>
    request<T>("POST", path, { body: body ?? {}, query: query ?? {} }),
  put: <T>(path: string, body?: unknown, query?: Query) =>
    request<T>("PUT", path, { body: body ?? {}, query: query ?? {} }),
  patch: <T>(path: string, body: unknown) => request<T>("PATCH", path, { body }),
  delete: <T>(path: string, query?: Query, body?: unknown) =>
    request<T>("DELETE", path, { query: query ?? {}, ...(body === undefined ? {} : { body }) }),
};
