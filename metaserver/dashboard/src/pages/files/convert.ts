// Another storage class for all that is below a directory, entry by entry: the server sets it on one at a time.

import { api } from "../../api/client";
import type { Entry, Page } from "../../api/types";
import { pathOf } from "./actions";
import { each } from "./data";
import { at, forBody, type Path } from "./paths";

export async function setClassBelow(directory: Path, to: number, onCount: (n: number) => void, stopped: () => boolean): Promise<number> {
  let count = 0;
  const waiting: Path[] = [directory];
  for (let here = waiting.pop(); here !== undefined && !stopped(); here = waiting.pop()) {
    let after: string | null = null;
    do {
      const page: Page<Entry> = await api.get<Page<Entry>>(at("/files", here), { after, limit: 500 });
      const wrong = page.items.filter((entry) => (entry.kind === "file" || entry.kind === "directory") && entry.class !== to);
      const before = count;
      const failed = await each(
        wrong,
        (entry) => api.put("/files/class", { path: forBody(pathOf(entry)), class: to }),
        (done) => onCount(before + done),
        stopped,
      );
      // What went away meanwhile needs no class.
      const first = failed.find(({ failure }) => failure.status !== 404);
      if (first) throw first.failure;
      count += wrong.length - failed.length;
      for (const entry of page.items) if (entry.kind === "directory") waiting.push(pathOf(entry));
      after = page.next;
    } while (after && !stopped());
  }
  return count;
}
