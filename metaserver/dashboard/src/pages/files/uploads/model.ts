// What an upload is, and how several together stand.

import type { Failure } from "../../../api/client";
import type { Path } from "../paths";

/** Larger ones go in parts, and may be resumed after a reload. */
export const LARGE_BYTES = 16 * 2 ** 20;

export type UploadState =
  | "waiting"
  | "sending"
  /** The connection is gone; it goes on by itself. */
  | "offline"
  | "paused"
  | "finishing"
  /** Something of that name is there: somebody has to say what to do. */
  | "conflict"
  | "done"
  | "failed"
  | "skipped";

export interface Upload {
  id: number;
  file: File;
  /** The directory that was open; `name` may have directories of its own. */
  directory: Path;
  name: string;
  to: Path;
  size: number;
  sent: number;
  state: UploadState;
  failure: Failure | null;
  overwrite: boolean;
  /** Bytes that were there already from an earlier try. */
  resumed: number;
  /** The server's, of one in parts. */
  remote: string | null;
  abort: AbortController;
}

export const isOpen = (state: UploadState): boolean => state === "waiting" || state === "sending" || state === "offline" || state === "finishing";
export const isOver = (state: UploadState): boolean => state === "done" || state === "skipped" || state === "failed";

export interface Totals {
  files: number;
  done: number;
  failed: number;
  open: number;
  paused: number;
  conflicts: number;
  offline: number;
  bytes: number;
  sent: number;
}

export function totalsOf(all: readonly Upload[]): Totals {
  const totals = { files: 0, done: 0, failed: 0, open: 0, paused: 0, conflicts: 0, offline: 0, bytes: 0, sent: 0 };
  for (const one of all) {
    if (one.state === "skipped") continue;
    totals.files += 1;
    totals.bytes += one.size;
    totals.sent += one.state === "done" ? one.size : one.sent;
    if (one.state === "done") totals.done += 1;
    else if (one.state === "failed") totals.failed += 1;
    else if (one.state === "paused") totals.paused += 1;
    else if (one.state === "conflict") totals.conflicts += 1;
    else if (isOpen(one.state)) totals.open += 1;
    if (one.state === "offline") totals.offline += 1;
  }
  return totals;
}

/** "photo.jpg" → "photo (2).jpg" → "photo (3).jpg"; directories in front stay. */
export function anotherName(name: string): string {
  const cut = name.lastIndexOf("/") + 1;
  const base = name.slice(cut);
  const dot = base.lastIndexOf(".");
  const stem = dot > 0 ? base.slice(0, dot) : base;
  const rest = dot > 0 ? base.slice(dot) : "";
  const numbered = / \((\d+)\)$/.exec(stem);
  const next = numbered ? `${stem.slice(0, numbered.index)} (${Number(numbered[1]) + 1})` : `${stem} (2)`;
  return name.slice(0, cut) + next + rest;
}

/** Bytes per second over the last few seconds. */
export class Meter {
  private samples: { at: number; sent: number }[] = [];
  constructor(private readonly windowMs = 6_000) {}

  add(at: number, sent: number): void {
    const last = this.samples.at(-1);
    if (last && (sent < last.sent || at - last.at > this.windowMs)) this.samples = [];
    if (last && at - last.at < 150) return;
    this.samples.push({ at, sent });
    while (this.samples.length > 2 && at - this.samples[0]!.at > this.windowMs) this.samples.shift();
  }
  rate(): number | null {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (!first || !last || last.at - first.at < 700) return null;
    return ((last.sent - first.sent) / (last.at - first.at)) * 1_000;
  }
}
