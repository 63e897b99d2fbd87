// The entries that fit the filters, newest first: older ones page by page, newer ones as they are written.

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { api } from "../../api/client";
import { POLL_MS, useLive, useTopic } from "../../api/live";
import { usePages, type Paged } from "../../api/pages";
import type { AuditEntry, Page } from "../../api/types";

const PAGE = 100;

export function useEntries(query: Record<string, string>): Paged<AuditEntry> {
  const older = usePages<AuditEntry>("/audit", query, { limit: PAGE });
  const [fresh, setFresh] = useState<{ query: unknown; entries: AuditEntry[] }>({ query, entries: [] });
  const live = useLive();

  const items = useMemo(() => {
    if (!older.items) return undefined;
    const newest = older.items[0]?.seq ?? 0;
    const front = fresh.query === query ? fresh.entries.filter((entry) => entry.seq > newest) : [];
    return front.length > 0 ? [...front, ...older.items] : older.items;
  }, [older.items, fresh, query]);

  const now = useRef({ items, query, again: older.again, asking: false, more: false });
  now.current = { ...now.current, items, query, again: older.again };

  const look = useCallback(async () => {
    const state = now.current;
    if (document.hidden) return;
    // What is being fetched may have been read before what was told of now was written.
    if (state.asking || !state.items) {
      state.more = true;
      return;
    }
    state.asking = true;
    const asked = state.query;
    try {
      const known = state.items[0]?.seq ?? 0;
      const page = await api.get<Page<AuditEntry>>("/audit", { ...asked, limit: PAGE });
      if (now.current.query !== asked) return;
      const found = page.items.filter((entry) => entry.seq > known);
      // More than a page at once: what lies between is not here, so begin anew.
      if (found.length >= PAGE && known > 0) now.current.again();
      else if (found.length > 0) {
        setFresh((before) => ({ query: asked, entries: [...found, ...(before.query === asked ? before.entries : [])] }));
      }
    } catch {
      // The list says how fresh it is by the indicator in the top bar; the next event asks again.
    } finally {
      now.current.asking = false;
      if (now.current.more) {
        now.current.more = false;
        setTimeout(() => void look(), 1_000);
      }
    }
  }, []);

  const loaded = items !== undefined;
  useEffect(() => {
    if (!loaded || !now.current.more) return;
    now.current.more = false;
    void look();
  }, [loaded, look]);

  useEffect(() => {
    const seen = (): void => void look();
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, [look]);

  useTopic("audit", useCallback(() => void look(), [look]));
  useEffect(() => {
    if (live.state === "live") return undefined;
    const timer = setInterval(() => void look(), POLL_MS);
    return () => clearInterval(timer);
  }, [live.state, look]);

  return { ...older, items };
}
