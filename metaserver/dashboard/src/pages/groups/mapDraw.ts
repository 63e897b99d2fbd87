// Draws the map. Levels differ in shape as well as in colour: whole cells are pale and smaller, degraded ones full,
// those at risk have a ring, unavailable ones are crossed out.

import type { GroupsMap, Level } from "../../api/types";
import { LEVEL_OF, type Layout } from "./mapLayout";

export interface Paint {
  map: GroupsMap;
  order: Uint32Array;
  place: Layout;
  /** Place in the order that is pointed at, -1: none. */
  at: number;
  dimmed: (index: number) => boolean;
}

type Colors = Record<Level | "focus" | "ink", string>;

function colors(element: Element): Colors {
  const style = getComputedStyle(element);
  const token = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    whole: token("pg-whole"),
    degraded: token("warn-solid"),
    at_risk: token("danger-solid"),
    unavailable: token("pg-unavailable"),
    focus: token("focus"),
    ink: token("surface"),
  };
}

export function draw(canvas: HTMLCanvasElement, paint: Paint): void {
  const { map, order, place } = paint;
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const width = canvas.clientWidth;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(place.height * ratio);
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.scale(ratio, ratio);
  pen.clearRect(0, 0, width, place.height);
  const color = colors(canvas);
  const { step, cell, columns } = place;
  // One colour after the other: changing it is what costs.
  for (const dim of [false, true]) {
    pen.globalAlpha = dim ? 0.18 : 1;
    for (const level of ["whole", "degraded", "at_risk", "unavailable"] as const) {
      pen.fillStyle = color[level];
      pen.strokeStyle = color.ink;
      pen.lineWidth = Math.max(1, cell * 0.12);
      // Where cells are tiny, what is ill is drawn over its neighbours' edges, or nobody would find it.
      const inset = level === "whole" ? (cell > 6 ? cell * 0.08 : 0) : cell < 6 ? -1 : 0;
      for (let at = 0; at < order.length; at++) {
        const index = order[at]!;
        if (LEVEL_OF[map.level[index] ?? ""] !== level || paint.dimmed(index) !== dim) continue;
        const x = (at % columns) * step;
        const y = Math.floor(at / columns) * step;
        pen.fillRect(x + inset, y + inset, cell - 2 * inset, cell - 2 * inset);
        if (cell < 7) continue;
        if (level === "at_risk") pen.strokeRect(x + cell * 0.28, y + cell * 0.28, cell * 0.44, cell * 0.44);
        if (level === "unavailable") {
          pen.beginPath();
          pen.moveTo(x + cell * 0.25, y + cell * 0.25);
          pen.lineTo(x + cell * 0.75, y + cell * 0.75);
          pen.moveTo(x + cell * 0.75, y + cell * 0.25);
          pen.lineTo(x + cell * 0.25, y + cell * 0.75);
          pen.stroke();
        }
      }
    }
  }
  pen.globalAlpha = 1;
}
