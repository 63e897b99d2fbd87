// What the charts show: the history the server keeps, and on the shortest range every second since this page knows the
// cluster.

import { useMemo, useRef } from "react";
import { useGet } from "../../api/queries";
import type { History, HistoryPoint, HistoryRange, Overview } from "../../api/types";

const SPAN: Record<HistoryRange, number> = { "1h": 3_600, "24h": 86_400, "30d": 30 * 86_400, "1y": 365 * 86_400 };
const KEPT = 1_800;

/** Seconds seen live, kept while the dashboard is open. */
const seen: HistoryPoint[] = [];

function remember(overview: Overview): void {
  if (!overview.complete || seen.at(-1)?.at === overview.now) return;
  const { raw_bytes, raw_used_bytes, stored_bytes } = overview.capacity;
  seen.push({ at: overview.now, io: overview.io, raw_bytes, raw_used_bytes, stored_bytes });
  if (seen.length > KEPT) seen.splice(0, seen.length - KEPT);
}

export interface Shown {
  times: number[];
  points: HistoryPoint[];
  completeSince: string | null;
  loading: boolean;
}

export function useHistory(range: HistoryRange, overview: Overview): Shown {
  const every = range === "1h" ? 60_000 : 300_000;
  const { data } = useGet<History>("/history", { range }, { every, staleTime: every / 2, keep: true });
  remember(overview);
  const stamp = useRef(0);
  stamp.current = Date.parse(overview.now);
  return useMemo(() => {
    const points = data?.range === range ? [...data.points] : [];
    if (range === "1h") {
      const last = Date.parse(points.at(-1)?.at ?? "1970-01-01T00:00:00Z");
      for (const point of seen) if (Date.parse(point.at) > last) points.push(point);
    }
    // Before the history begins the axis is there all the same: a day is a day wide.
    const from = stamp.current / 1000 - SPAN[range];
    const kept = points.filter((point) => Date.parse(point.at) / 1000 >= from);
    const times = kept.map((point) => Date.parse(point.at) / 1000);
    if (times.length > 0 && times[0]! > from + 60) {
      times.unshift(from);
      kept.unshift({ at: new Date(from * 1000).toISOString(), io: null, raw_bytes: null, raw_used_bytes: null, stored_bytes: null });
    }
    return { times, points: kept, completeSince: data?.complete_since ?? null, loading: !data };
    // A longer range does not change with every second.
  }, [data, range, range === "1h" ? overview.now : ""]);
}
