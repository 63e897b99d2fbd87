// What the pages about files ask the server.

import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { api, Failure } from "../../api/client";
import { POLL_MS } from "../../api/live";
import { usePages, type Paged } from "../../api/pages";
import { useGet } from "../../api/queries";
import type { ClassView, Entry, Page, Quota, Setting, Share, TrashItem } from "../../api/types";
import { at, namesOf, parentOf, ROOT, type Path } from "./paths";

export interface Stat extends Entry {
  class_name: string;
  quota: Quota | null;
  /** Set here; null: as above. */
  trash_seconds: number | null;
  converting: boolean;
}

const AGAIN_MS = 20_000;
export const useListing = (path: Path, prefix: string): Paged<Entry> =>
  usePages<Entry>(at("/files", path, { prefix }), {}, { limit: 500, every: AGAIN_MS });

/** Calls back when names came or went in a directory: its own time of change says so, and costs little to ask for. */
export function useChanges(path: Path, onChange: () => void): void {
  const { data } = useGet<Stat>(at("/files/stat", path), {}, { every: POLL_MS });
  const seen = useRef<string | null>(null);
  const now = data ? `${data.ino} ${data.version} ${data.modified}` : null;
  useEffect(() => {
    if (now === null || now === seen.current) return;
    if (seen.current !== null) onChange();
    seen.current = now;
  }, [now, onChange]);
}
export const useStat = (path: Path, enabled = true) => useGet<Stat>(at("/files/stat", path), {}, { enabled: enabled && path !== ROOT });
export const useTrash = (path: Path) => usePages<TrashItem>(at("/trash", path), {}, { limit: 200 });

export function useClasses(): Map<number, ClassView> {
  const { data } = useGet<{ items: ClassView[] }>("/classes", {}, { staleTime: 60_000 });
  return new Map(data?.items.map((one) => [one.id, one]));
}

export interface TrashTime {
  /** Null: not known. */
  seconds: number | null;
  /** The directory that says so; null: the cluster's setting. */
  from: Path | null;
}

async function trashTime(path: Path, signal: AbortSignal): Promise<TrashTime> {
  for (let here = path; namesOf(here).length > 0; here = parentOf(here)) {
    const stat = await api.get<Stat>(at("/files/stat", here), {}, signal);
    if (stat.trash_seconds !== null) return { seconds: stat.trash_seconds, from: here };
  }
  const settings = await api.get<{ items: Setting[] }>("/settings", {}, signal);
  const value = Number(settings.items.find((one) => one.name === "trash_seconds")?.value ?? NaN);
  return { seconds: Number.isFinite(value) ? value : null, from: null };
}

/** For how long what is deleted in a directory is kept: the nearest directory above that says so, else the cluster. */
export function useTrashTime(path: Path): TrashTime | undefined {
  const { data, error } = useQuery<TrashTime, Failure>({
    queryKey: ["/files/stat", "trash-time", path],
    queryFn: ({ signal }) => trashTime(path, signal),
    enabled: path !== ROOT,
    staleTime: 15_000,
  });
  return error ? { seconds: null, from: null } : data;
}

/** Every link, page by page: there are at most 100,000, and seldom more than a few. */
export async function sharesOf(signal?: AbortSignal): Promise<Share[]> {
  const all: Share[] = [];
  let after: string | null = null;
  for (let pages = 0; pages < 20; pages++) {
    const page: Page<Share> = await api.get<Page<Share>>("/shares", { after, limit: 1000 }, signal);
    all.push(...page.items);
    after = page.next;
    if (!after) break;
  }
  return all;
}
export const useShares = () =>
  useQuery<Share[], Failure>({ queryKey: ["/shares"], queryFn: ({ signal }) => sharesOf(signal), staleTime: 2_000 });

/** One after the other in a few lines; what fails does not stop the others. */
export async function each<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
  onDone: (done: number) => void,
  stopped: () => boolean,
): Promise<{ item: T; failure: Failure }[]> {
  const failed: { item: T; failure: Failure }[] = [];
  let next = 0;
  let done = 0;
  const line = async () => {
    while (next < items.length && !stopped()) {
      const item = items[next++]!;
      try {
        await work(item);
      } catch (cause) {
        failed.push({ item, failure: cause instanceof Failure ? cause : new Failure("unreadable", 0, String(cause)) });
      }
      onDone(++done);
    }
  };
  await Promise.all(Array.from({ length: Math.min(4, items.length) }, line));
  return failed;
}
