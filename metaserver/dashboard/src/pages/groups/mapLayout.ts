// Where each group's cell lies on the map: as large as the room allows, in rows.

import type { GroupsMap, Level } from "../../api/types";

export type Order = "id" | "level" | "class";

export const LEVEL_OF: Record<string, Level> = { w: "whole", d: "degraded", a: "at_risk", u: "unavailable" };
const RANK: Record<string, number> = { u: 0, a: 1, d: 2, w: 3 };

export interface Layout {
  /** Pixels from one cell to the next, and of the cell itself. */
  step: number;
  cell: number;
  columns: number;
  rows: number;
  height: number;
}

const LARGEST = 27;
const SMALLEST = 3;

/** Cells of whole pixels that fill the width and about `height`; more height only when they would be too small. */
export function layout(count: number, width: number, height: number): Layout {
  let step = LARGEST;
  while (step > SMALLEST && Math.ceil(count / Math.max(1, Math.floor(width / step))) * step > height) step -= 1;
  const columns = Math.max(1, Math.floor(width / step));
  const rows = Math.ceil(count / columns);
  return { step, cell: step <= 4 ? step - 0.5 : step - Math.min(2, step * 0.15), columns, rows, height: rows * step };
}

/** Positions in the map's arrays, in the order in which they are drawn. */
export function ordered(map: GroupsMap, order: Order): Uint32Array {
  const at = Uint32Array.from(map.ids, (_, index) => index);
  if (order === "id") return at.sort((a, b) => map.ids[a]! - map.ids[b]!);
  const rank = (index: number) => RANK[map.level[index] ?? ""] ?? 4;
  if (order === "level") return at.sort((a, b) => rank(a) - rank(b) || map.ids[a]! - map.ids[b]!);
  return at.sort((a, b) => map.class[a]! - map.class[b]! || map.ids[a]! - map.ids[b]!);
}
