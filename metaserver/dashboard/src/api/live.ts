// The one live connection: GET /events with the topics that pages ask for. It comes back by itself, waits longer each
// time, and says how fresh what is shown is. While it is away, queries poll (see `pollInterval`).

import { useEffect, useSyncExternalStore } from "react";
import { credentials, url } from "./client";
import { EventParser } from "./sse";

export type LiveState = "connecting" | "live" | "polling" | "stale";
export interface LiveStatus {
  state: LiveState;
  /** When the server last said anything, in ms since 1970. */
  heard: number;
}

export const POLL_MS = 5_000;
const SILENT_MS = 40_000;
const OPEN_MS = 10_000;
const STALE_MS = 12_000;
const MOST_WAIT_MS = 15_000;
const SETTLE_MS = 120;

type Listener = (data: unknown) => void;

class Live {
  private readonly topics = new Map<string, Set<Listener>>();
  private readonly watchers = new Set<() => void>();
  private connection: AbortController | null = null;
  private connected = false;
  private opened = "";
  private failures = 0;
  /** When the connection was lost. */
  private lost = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private settle: ReturnType<typeof setTimeout> | undefined;
  private ticking: ReturnType<typeof setInterval> | undefined;
  private heard = Date.now();
  private status: LiveStatus = { state: "connecting", heard: this.heard };

  /** Hears a topic until the returned function is called. */
  on(topic: string, listener: Listener): () => void {
    const listeners = this.topics.get(topic) ?? new Set();
    listeners.add(listener);
    this.topics.set(topic, listeners);
    this.plan();
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.topics.delete(topic);
      this.plan();
    };
  }

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };
  get = (): LiveStatus => this.status;

  /** Anything was heard from the server, by whatever way. */
  touch(): void {
    this.heard = Date.now();
    if (!this.connected) this.judge();
  }

  stop(): void {
    clearTimeout(this.retry);
    clearTimeout(this.settle);
    clearInterval(this.ticking);
    this.ticking = undefined;
    this.connection?.abort();
    this.connection = null;
    this.connected = false;
    this.opened = "";
  }

  /** Tries at once, whatever the waiting time. */
  now = (): void => {
    this.failures = 0;
    void this.open();
  };

  /** The network is back: no need to wait. */
  retryNow(): void {
    if (!this.connected && this.topics.size > 0) this.now();
  }

  private plan(): void {
    clearTimeout(this.settle);
    this.settle = setTimeout(() => {
      if (this.topics.size === 0) this.stop();
      else if (this.wanted() !== this.opened) void this.open();
    }, SETTLE_MS);
  }

  private wanted(): string {
    return [...this.topics.keys()].sort().join(",");
  }

  private async open(): Promise<void> {
    clearTimeout(this.retry);
    this.ticking ??= setInterval(() => this.judge(), 1_000);
    const before = this.connection;
    const mine = new AbortController();
    const topics = this.wanted();
    this.connection = mine;
    this.opened = topics;
    const slow = setTimeout(() => mine.abort(), OPEN_MS);
    try {
      const headers = { accept: "text/event-stream" };
      const response = await fetch(url("/events", { topics }), { headers, signal: mine.signal });
      clearTimeout(slow);
      if (response.status === 401) {
        before?.abort();
        credentials.onUnauthenticated();
        return;
      }
      const type = response.headers.get("content-type") ?? "";
      if (!response.ok || !response.body || !type.includes("text/event-stream")) throw new Error("no stream");
      before?.abort();
      this.connected = true;
      this.failures = 0;
      this.hear();
      await this.read(response.body.getReader(), mine);
      throw new Error("the stream ended");
    } catch {
      clearTimeout(slow);
      before?.abort();
      if (this.connection !== mine) return;
      if (this.connected || this.lost === 0) this.lost = Date.now();
      this.connection = null;
      this.connected = false;
      this.opened = "";
      this.failures += 1;
      const wait = Math.min(500 * 2 ** this.failures, MOST_WAIT_MS) * (0.7 + Math.random() * 0.3);
      this.retry = setTimeout(() => void this.open(), wait);
      this.judge();
    }
  }

  private async read(reader: ReadableStreamDefaultReader<Uint8Array>, mine: AbortController): Promise<void> {
    const parser = new EventParser();
    const decoder = new TextDecoder();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || mine.signal.aborted) return;
      this.hear();
      for (const { event, data } of parser.push(decoder.decode(value, { stream: true }))) {
        if (this.connection === mine) this.tell(event, data);
      }
    }
  }

  private tell(topic: string, text: string): void {
    const listeners = this.topics.get(topic);
    if (!listeners) return;
    let data: unknown;
    try {
      data = JSON.parse(text);
    } catch {
      return;
    }
    for (const listener of [...listeners]) listener(data);
  }

  private hear(): void {
    this.heard = Date.now();
    if (this.status.state !== "live") this.judge();
  }

  private judge(): void {
    const silent = Date.now() - this.heard;
    if (this.connected && silent > SILENT_MS) {
      this.connection?.abort();
      this.connected = false;
      this.lost = Date.now();
    }
    let state: LiveState = "stale";
    if (this.connected) state = "live";
    // Polling is only said of what was answered since.
    else if (silent < STALE_MS) state = this.failures > 1 && this.heard > this.lost ? "polling" : "connecting";
    if (state === this.status.state && (state !== "stale" || this.heard === this.status.heard)) return;
    this.status = { state, heard: this.heard };
    for (const watcher of [...this.watchers]) watcher();
  }
}

export const live = new Live();
if (typeof window !== "undefined") addEventListener("online", () => live.retryNow());
credentials.onAnswer = () => live.touch();

export const useLive = (): LiveStatus => useSyncExternalStore(live.watch, live.get);

/** For `refetchInterval`: polls while there is no live connection. */
export const pollInterval = (): number | false => (live.get().state === "live" ? false : POLL_MS);

/** Hears a topic while the component is there. `listener` must be stable, or it is taken anew each time. */
export function useTopic<T>(topic: string, listener: (data: T) => void): void {
  useEffect(() => live.on(topic, (data) => listener(data as T)), [topic, listener]);
}
