// The uploads under way. They belong to the dashboard, not to a page: leaving the page does not end them.

import { useSyncExternalStore } from "react";
import { api, Failure } from "../../../api/client";
import { forget } from "../../../api/queries";
import type { Entry } from "../../../api/types";
import { at, below, forBody, type Path } from "../paths";
import type { Found } from "./collect";
import { forgetUpload, recall, remember } from "./memory";
import { anotherName, isOpen, isOver, LARGE_BYTES, Meter, totalsOf, type Totals, type Upload, type UploadState } from "./model";
import { mayPass, rest, send, Slots, Stopped } from "./send";

export type Answer = "replace" | "both" | "skip";

const AT_ONCE = 3;
const MOST_WAIT_MS = 15_000;
const FRAME_MS = 200;
const REFRESH_MS = 1_500;

interface Remote {
  id: string;
  part_bytes: number;
  parts: number[];
}

export interface Snapshot {
  uploads: readonly Upload[];
  totals: Totals;
  rate: number | null;
}

let uploads: Upload[] = [];
let last = 0;
let running = 0;
/** What to do about names that are taken, as long as this lot goes on. */
let policy: Answer | null = null;
let snapshot: Snapshot = { uploads: [], totals: totalsOf([]), rate: null };
let meter = new Meter();
let frame: ReturnType<typeof setTimeout> | undefined;
let refresh: ReturnType<typeof setTimeout> | undefined;
const slots = new Slots(AT_ONCE);
const watchers = new Set<() => void>();

const watch = (watcher: () => void) => {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};
export const useUploads = (): Snapshot => useSyncExternalStore(watch, () => snapshot);

function draw(): void {
  frame = undefined;
  const totals = totalsOf(uploads);
  // What was there from an earlier try went in no time: it does not count as speed.
  const resumed = uploads.reduce((sum, one) => sum + one.resumed, 0);
  meter.add(performance.now(), totals.sent - resumed);
  if (totals.open === 0) meter = new Meter();
  snapshot = { uploads: [...uploads], totals, rate: totals.open > 0 ? meter.rate() : null };
  for (const watcher of [...watchers]) watcher();
}
function changed(): void {
  frame ??= setTimeout(draw, FRAME_MS);
}
function refreshLists(): void {
  refresh ??= setTimeout(() => {
    refresh = undefined;
    void forget("/files");
  }, REFRESH_MS);
}

const warn = (event: BeforeUnloadEvent) => event.preventDefault();
function set(upload: Upload, state: UploadState): void {
  upload.state = state;
  const open = uploads.some((one) => isOpen(one.state));
  if (open) addEventListener("beforeunload", warn);
  else removeEventListener("beforeunload", warn);
  if (!open && uploads.every((one) => isOver(one.state))) policy = null;
  changed();
}

export function add(found: Found[], directory: Path): void {
  for (const { file, name } of found) {
    uploads.push({
      id: ++last,
      file,
      directory,
      name,
      to: below(directory, name),
      size: file.size,
      sent: 0,
      state: "waiting",
      failure: null,
      overwrite: policy === "replace",
      resumed: 0,
      remote: null,
      abort: new AbortController(),
    });
  }
  addEventListener("beforeunload", warn);
  changed();
  pump();
}

function pump(): void {
  while (running < AT_ONCE) {
    const next = uploads.find((one) => one.state === "waiting");
    if (!next) return;
    running += 1;
    next.abort = new AbortController();
    set(next, "sending");
    void run(next).finally(() => {
      running -= 1;
      pump();
    });
  }
}

async function run(upload: Upload): Promise<void> {
  try {
    if (upload.size > LARGE_BYTES) await inParts(upload);
    else await whole(upload);
    upload.sent = upload.size;
    set(upload, "done");
    refreshLists();
  } catch (cause) {
    if (cause instanceof Stopped) {
      if (upload.state !== "skipped") set(upload, "paused");
      return;
    }
    upload.failure = cause instanceof Failure ? cause : new Failure("unreadable", 0, String(cause));
    // Other parts of it may still be on their way.
    upload.abort.abort();
    if (isTaken(upload.failure)) taken(upload);
    else set(upload, "failed");
  }
}

const isTaken = (failure: Failure): boolean => failure.code === "exists" || (failure.code === "conflict" && failure.status === 409);

function taken(upload: Upload): void {
  upload.sent = 0;
  if (policy) resolve(upload, policy);
  else set(upload, "conflict");
}

function letGo(upload: Upload): void {
  const { remote } = upload;
  if (!remote) return;
  upload.remote = null;
  forgetUpload(remote);
  void api.delete(`/uploads/${encodeURIComponent(remote)}`).catch(() => {});
}

function resolve(upload: Upload, answer: Answer): void {
  upload.failure = null;
  // Parts that are there already can only become the file of this name.
  if (answer !== "replace") letGo(upload);
  if (answer === "skip") return set(upload, "skipped");
  if (answer === "replace") upload.overwrite = true;
  else {
    upload.name = anotherName(upload.name);
    upload.to = below(upload.directory, upload.name);
  }
  set(upload, "waiting");
  pump();
}

/** Tries until it works or cannot work; while the server is away it waits. */
async function insist<T>(upload: Upload, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      const made = await work();
      if (upload.state === "offline") set(upload, "sending");
      return made;
    } catch (cause) {
      if (upload.abort.signal.aborted) throw new Stopped();
      if (!(cause instanceof Failure) || !mayPass(cause)) throw cause;
      if (cause.code !== "offline" && attempt >= 8) throw cause;
      upload.failure = cause;
      set(upload, "offline");
      const wait = cause.retryAfterMs ?? Math.min(500 * 2 ** attempt, MOST_WAIT_MS);
      await rest(wait * (0.7 + Math.random() * 0.3), upload.abort.signal);
    }
  }
}

async function whole(upload: Upload): Promise<void> {
  const { signal } = upload.abort;
  await slots.with(() =>
    insist(upload, () => {
      upload.sent = 0;
      const query = { overwrite: upload.overwrite };
      return send(at("/files/content", upload.to, query), upload.file, {
        type: upload.file.type,
        signal,
        onProgress: (sent) => {
          upload.sent = Math.min(sent, upload.size);
          if (upload.state === "offline") set(upload, "sending");
          changed();
        },
      });
    }),
  );
}

/** The upload to go on with, or a new one. */
async function begin(upload: Upload): Promise<Remote> {
  const known = upload.remote ?? recall(upload.to, upload.file)?.id;
  if (known) {
    try {
      const remote = await insist(upload, () => api.get<Remote>(`/uploads/${encodeURIComponent(known)}`));
      upload.remote = remote.id;
      return remote;
    } catch (cause) {
      if (!(cause instanceof Failure) || (cause.status !== 404 && cause.status !== 410)) throw cause;
      forgetUpload(known);
    }
  }
  if (!upload.overwrite) {
    const there = await insist(upload, () =>
      api.get<Entry | null>(at("/files/stat", upload.to, { maybe: true })),
    );
    if (there && there.kind !== "directory") throw new Failure("exists", 409, "there is something of that name already");
  }
  const body = { path: forBody(upload.to), size: upload.size, content_type: upload.file.type || "application/octet-stream" };
  const made = await insist(upload, () => api.post<Omit<Remote, "parts">>("/uploads", body));
  upload.remote = made.id;
  remember(made.id, upload.to, upload.file);
  return { ...made, parts: [] };
}

async function inParts(upload: Upload): Promise<void> {
  const { signal } = upload.abort;
  const remote = await begin(upload);
  const size = remote.part_bytes;
  const count = Math.ceil(upload.size / size);
  const there = new Set(remote.parts);
  const bytesOf = (part: number) => Math.min(size, upload.size - (part - 1) * size);
  const under = new Map<number, number>();
  let done = [...there].reduce((sum, part) => sum + bytesOf(part), 0);
  upload.resumed = done;
  const said = () => {
    upload.sent = done + [...under.values()].reduce((sum, one) => sum + one, 0);
    changed();
  };
  said();
  let next = 1;
  const worker = async () => {
    for (;;) {
      while (there.has(next)) next += 1;
      if (next > count || signal.aborted) break;
      const part = next++;
      const from = (part - 1) * size;
      await slots.with(() =>
        insist(upload, () => {
          under.set(part, 0);
          return send(`/uploads/${encodeURIComponent(remote.id)}/parts/${part}`, upload.file.slice(from, from + bytesOf(part)), {
            signal,
            onProgress: (sent) => {
              under.set(part, Math.min(sent, bytesOf(part)));
              if (upload.state === "offline") set(upload, "sending");
              said();
            },
          });
        }),
      );
      under.delete(part);
      there.add(part);
      done += bytesOf(part);
      said();
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, worker));
  if (signal.aborted) throw new Stopped();
  set(upload, "finishing");
  const { overwrite } = upload;
  await insist(upload, () => api.post<Entry>(`/uploads/${encodeURIComponent(remote.id)}/complete`, { overwrite }));
  forgetUpload(remote.id);
}

// ---- what people do

const byId = (id: number) => uploads.find((one) => one.id === id);

export function pause(id: number): void {
  const upload = byId(id);
  if (!upload || !isOpen(upload.state) || upload.state === "finishing") return;
  const waiting = upload.state === "waiting";
  upload.abort.abort();
  if (waiting) set(upload, "paused");
}
export function resume(id: number): void {
  const upload = byId(id);
  if (!upload || (upload.state !== "paused" && upload.state !== "failed")) return;
  upload.failure = null;
  set(upload, "waiting");
  pump();
}
export function answer(id: number, what: Answer, forAll: boolean): void {
  const upload = byId(id);
  if (forAll) policy = what;
  const them = forAll ? uploads.filter((one) => one.state === "conflict") : upload ? [upload] : [];
  for (const one of them) resolve(one, what);
}
export function cancel(id: number): void {
  const upload = byId(id);
  if (!upload) return;
  upload.state = "skipped";
  upload.abort.abort();
  letGo(upload);
  uploads = uploads.filter((one) => one !== upload);
  set(upload, "skipped");
}
export const pauseAll = (): void => uploads.forEach((one) => pause(one.id));
export const resumeAll = (): void => uploads.forEach((one) => resume(one.id));
export const cancelAll = (): void => uploads.filter((one) => !isOver(one.state)).forEach((one) => cancel(one.id));
export function clearOver(): void {
  uploads = uploads.filter((one) => !isOver(one.state));
  changed();
}
/** Somebody else may sign in next: nothing goes on in their name. What is in parts can be resumed. */
export function dropAll(): void {
  for (const one of uploads) {
    one.state = "skipped";
    one.abort.abort();
  }
  uploads = [];
  policy = null;
  removeEventListener("beforeunload", warn);
  changed();
}
export async function discard(id: string): Promise<void> {
  await api.delete(`/uploads/${encodeURIComponent(id)}`).catch((cause: unknown) => {
    if (!(cause instanceof Failure) || cause.status !== 404) throw cause;
  });
  forgetUpload(id);
}
