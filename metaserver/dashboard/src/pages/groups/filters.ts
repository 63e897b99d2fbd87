// What of the groups is shown, as it stands in the address.

import { useFilters, type Filters } from "../../app/address";
import type { Level } from "../../api/types";

export const FILTERS = ["level", "state", "class", "disk", "node", "pg"] as const;
export type FilterName = (typeof FILTERS)[number];
export type GroupFilters = Filters<FilterName>;
export type ChangeFilters = (change: Partial<GroupFilters>) => void;

export const LEVELS: Level[] = ["unavailable", "at_risk", "degraded", "whole"];
export const STATES = [
  "lost",
  "unavailable",
  "no_room",
  "held",
  "rebuilding",
  "mending",
  "waiting",
  "maintenance",
  "moving",
  "whole",
];

export const useGroupFilters = (): [GroupFilters, ChangeFilters] => useFilters(FILTERS);

/** Numbers as the server takes them: "d7", "n3" and "pg 12" are what people paste. */
export const digits = (text: string): string => text.trim().replace(/^(?:pg|[dn])\s*/i, "");
export const isNumber = (text: string): boolean => /^\d{1,10}$/.test(text);

/** Stands among the levels: whatever is not as it should be. */
export const AILING = "ailing";

/** What may be asked of the server: a number that is none is left out. */
export function queryOf(filters: GroupFilters): Record<string, string> {
  const query: Record<string, string> = {};
  for (const name of FILTERS) {
    const value = filters[name];
    const number = name === "disk" || name === "node" || name === "pg" || name === "class";
    if (!value || (number && !isNumber(value))) continue;
    if (name === "level" && value === AILING) query[AILING] = "true";
    // Groups come in order of number, so the one wanted is the first after the one before it.
    else if (name === "pg") query["after"] = String(Number(value) - 1);
    else query[name] = value;
  }
  return query;
}
