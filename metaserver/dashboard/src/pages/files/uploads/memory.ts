// Which uploads in parts are not finished, kept over a reload. The browser does not let a page keep the files themselves:
// choosing the same file again finds its upload here.

import { readable, type Path } from "../paths";

export interface Remembered {
  id: string;
  to: Path;
  size: number;
  modified: number;
  at: number;
}

const KEY = "holdfast.uploads";
/** The server lets go of unfinished uploads in the end. */
const FORGET_MS = 7 * 86_400_000;

const watchers = new Set<() => void>();
let cached: Remembered[] | null = null;

function load(): Remembered[] {
  try {
    const list = JSON.parse(localStorage.getItem(KEY) ?? "[]") as Remembered[];
    return list.filter((one) => typeof one.id === "string" && Date.now() - one.at < FORGET_MS);
  } catch {
    return [];
  }
}

function store(list: Remembered[]): void {
  cached = list;
  try {
    localStorage.setItem(KEY, JSON.stringify(list.slice(-200)));
  } catch {
    // No storage: it cannot be resumed after a reload, that is all.
  }
  for (const watcher of [...watchers]) watcher();
}

export const remembered = (): Remembered[] => (cached ??= load());
export const watchMemory = (watcher: () => void): (() => void) => {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};

export const recall = (to: Path, file: File): Remembered | undefined =>
  remembered().find((one) => one.to === to && one.size === file.size && one.modified === file.lastModified);

export const remember = (id: string, to: Path, file: File): void =>
  store([...remembered().filter((one) => one.to !== to), { id, to, size: file.size, modified: file.lastModified, at: Date.now() }]);

export const forgetUpload = (id: string): void => store(remembered().filter((one) => one.id !== id));

export const whereTo = (one: Remembered): string => readable(one.to);
