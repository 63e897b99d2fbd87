// One request with a body, with progress: fetch cannot tell how far it is, XMLHttpRequest can.

import { credentials, Failure, failureOf, url } from "../../../api/client";

export class Stopped extends Error {}

export interface SendOptions {
  type?: string;
  signal: AbortSignal;
  onProgress: (sent: number) => void;
}

/** No progress for so long: the connection is taken for lost. */
const SILENT_MS = 45_000;

export function send<T>(path: string, body: Blob, { type, signal, onProgress }: SendOptions): Promise<T> {
  return new Promise((done, fail) => {
    if (signal.aborted) return fail(new Stopped());
    const request = new XMLHttpRequest();
    let watch: ReturnType<typeof setTimeout>;
    let silent = false;
    const heard = () => {
      clearTimeout(watch);
      watch = setTimeout(() => {
        silent = true;
        request.abort();
      }, SILENT_MS);
    };
    const stop = () => request.abort();
    const over = () => {
      clearTimeout(watch);
      signal.removeEventListener("abort", stop);
    };
    request.open("PUT", url(path));
    request.setRequestHeader("content-type", type || "application/octet-stream");
    if (credentials.csrf) request.setRequestHeader("x-holdfast-csrf", credentials.csrf);
    request.upload.onprogress = (event) => {
      heard();
      onProgress(event.loaded);
    };
    request.onload = () => {
      over();
      credentials.onAnswer();
      if (request.status >= 200 && request.status < 300) {
        try {
          done((request.responseText ? JSON.parse(request.responseText) : undefined) as T);
        } catch {
          fail(new Failure("unreadable", request.status, "the answer cannot be read"));
        }
        return;
      }
      const headers = { "x-request-id": request.getResponseHeader("x-request-id") ?? "" };
      const status = request.status || 500;
      void failureOf(new Response(request.responseText, { status, headers })).then((failure) => {
        if (failure.code === "unauthenticated") credentials.onUnauthenticated();
        fail(failure);
      });
    };
    request.onerror = () => {
      over();
      fail(new Failure("offline", 0, "the server cannot be reached", {}, "later"));
    };
    request.onabort = () => {
      over();
      fail(silent ? new Failure("offline", 0, "the server cannot be reached", {}, "later") : new Stopped());
    };
    signal.addEventListener("abort", stop);
    heard();
    request.send(body);
  });
}

/** So many at a time; the others wait in line. */
export class Slots {
  private waiting: (() => void)[] = [];
  constructor(private free: number) {}

  async with<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((go) => this.waiting.push(go));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free += 1;
    }
  }
}

const FINAL = new Set(["no_space", "quota_exceeded", "unsupported"]);

/** Whether the same may work by itself in a while. */
export const mayPass = (failure: Failure): boolean =>
  failure.code === "offline" ||
  failure.code === "timeout" ||
  failure.code === "throttled" ||
  (failure.status >= 500 && !FINAL.has(failure.code));

/** Waits, but not longer than until the network is back. */
export function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    const over = () => {
      clearTimeout(timer);
      removeEventListener("online", wake);
      signal.removeEventListener("abort", stop);
    };
    const wake = () => {
      over();
      done();
    };
    const stop = () => {
      over();
      fail(new Stopped());
    };
    const timer = setTimeout(wake, ms);
    if (signal.aborted) stop();
    addEventListener("online", wake);
    signal.addEventListener("abort", stop);
  });
}
