// Which entries are shown, as it stands in the address.

import { useMemo } from "react";
import { useFilters, type Filters } from "../../app/address";

export const FILTERS = ["q", "kind", "account", "action", "target", "range", "from", "to"] as const;
export type AuditFilters = Filters<(typeof FILTERS)[number]>;
export type ChangeFilters = (change: Partial<AuditFilters>) => void;

export const NO_FILTERS: AuditFilters = { q: "", kind: "", account: "", action: "", target: "", range: "", from: "", to: "" };
export const RANGES: Record<string, number> = { "1h": 3_600, "24h": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400 };

export const useAuditFilters = (): [AuditFilters, ChangeFilters] => useFilters(FILTERS);

/** What is asked of the server. "The last hour" begins when it was chosen, and goes on from there. */
export function useAuditQuery(filters: AuditFilters): Record<string, string> {
  const { q, kind, account, action, target, range, from, to } = filters;
  return useMemo(() => {
    const query: Record<string, string> = {};
    for (const [name, value] of Object.entries({ q, kind, account, action, target })) if (value) query[name] = value;
    const span = RANGES[range];
    if (span) query["from"] = new Date(Date.now() - span * 1_000).toISOString();
    else if (range === "custom") {
      if (isTime(from)) query["from"] = new Date(from).toISOString();
      if (isTime(to)) query["to"] = new Date(to).toISOString();
    }
    return query;
  }, [q, kind, account, action, target, range, from, to]);
}

export const isTime = (text: string): boolean => text !== "" && !Number.isNaN(new Date(text).getTime());

/** For `<input type="datetime-local">`, in the browser's time zone. */
export function localOf(text: string): string {
  if (!isTime(text)) return "";
  const at = new Date(text);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
