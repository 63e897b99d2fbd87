// Draws the map. Colours come from the theme; whatever is not in order carries a mark as well, in every colouring.

import { token } from "../../app/theme";
import { middle, visible } from "../../format/visible";
import type { DiskView } from "../../api/types";
import type { Box, MapLayout } from "./layout";
import type { TopologyStore } from "./store";

export type Colouring = "fill" | "state" | "load";
export type DiskState = "ok" | "suspect" | "down" | "failed" | "full" | "draining" | "maintenance" | "out";

export interface MapWords {
  zone: (name: string) => string;
  rack: (name: string) => string;
  node: (id: number) => string;
  percent: (share: number) => string;
  leader: string;
}

export function stateOf(disk: DiskView): DiskState {
  if (disk.liveness === "failed") return "failed";
  if (disk.effective_standing === "maintenance") return "maintenance";
  if (disk.liveness === "down") return "down";
  if (disk.effective_standing === "draining") return "draining";
  if (disk.effective_standing === "out") return "out";
  if (disk.liveness === "full") return "full";
  if (disk.liveness === "suspect") return "suspect";
  return "ok";
}

export const STATE_TONES: Record<DiskState, string> = {
  ok: "ok-solid",
  suspect: "warn-solid",
  full: "warn-solid",
  out: "warn-solid",
  down: "danger-solid",
  failed: "danger-solid",
  draining: "accent",
  maintenance: "accent",
};

/** Stops of the temperature scale, cold to hot, for each theme. */
export const HEAT: Record<string, [number, number, number][]> = {
  light: [
    [226, 233, 245],
    [158, 190, 235],
    [247, 196, 112],
    [232, 116, 48],
    [170, 28, 28],
  ],
  dark: [
    [32, 40, 56],
    [49, 82, 142],
    [176, 124, 46],
    [232, 116, 48],
    [255, 98, 84],
  ],
};

export function heat(share: number, theme: string): string {
  const stops = HEAT[theme] ?? HEAT["light"]!;
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  const part = at - low;
  const mix = [0, 1, 2].map((i) => Math.round(stops[low]![i]! + (stops[low + 1]![i]! - stops[low]![i]!) * part));
  return `rgb(${mix.join(",")})`;
}

const share = (disk: DiskView) => (disk.capacity_bytes > 0 ? disk.used_bytes / disk.capacity_bytes : 0);
export const fillToken = (used: number) => (used > 0.95 ? "danger-solid" : used > 0.85 ? "warn-solid" : "series-1");

interface Pen {
  g: CanvasRenderingContext2D;
  ink: Record<string, string>;
  font: string;
  theme: string;
  words: MapWords;
}

const TOKENS = ["surface", "sunken", "line", "line-strong", "text", "text-2", "text-3", "series-1", "ok-solid", "ok-soft", "warn-solid", "danger-solid", "accent", "accent-soft", "focus", "bg"];

function round(g: CanvasRenderingContext2D, box: Box, radius: number): void {
  g.beginPath();
  g.roundRect(box.x, box.y, box.w, box.h, radius);
}

/** A sign for a state, readable without colour. */
function mark(pen: Pen, state: DiskState, x: number, y: number, size: number): void {
  const { g } = pen;
  g.save();
  g.translate(x, y);
  g.lineWidth = Math.max(1.3, size / 6);
  g.lineCap = "round";
  const r = size / 2;
  g.beginPath();
  if (state === "failed" || state === "down") {
    g.moveTo(-r, -r);
    g.lineTo(r, r);
    g.moveTo(r, -r);
    g.lineTo(-r, r);
  } else if (state === "maintenance") {
    g.moveTo(-r * 0.5, -r);
    g.lineTo(-r * 0.5, r);
    g.moveTo(r * 0.5, -r);
    g.lineTo(r * 0.5, r);
  } else if (state === "draining") {
    g.moveTo(0, -r);
    g.lineTo(0, r);
    g.moveTo(-r * 0.8, r * 0.2);
    g.lineTo(0, r);
    g.lineTo(r * 0.8, r * 0.2);
  } else {
    g.moveTo(0, -r);
    g.lineTo(0, r * 0.35);
    g.moveTo(0, r * 0.95);
    g.lineTo(0, r);
  }
  g.stroke();
  g.restore();
}

function paintDisk(pen: Pen, disk: DiskView, box: Box, colouring: Colouring, picked: boolean, focused: boolean): void {
  const { g, ink } = pen;
  const state = stateOf(disk);
  const used = share(disk);
  const radius = box.w > 20 ? 5 : 3;
  const gone = state === "failed" || state === "down";
  const large = box.w >= 40;
  const tone = ink[STATE_TONES[state]] ?? "";
  // What is in order is quiet, so that the rest is seen.
  const calm = state === "ok";
  const hot = heat(disk.load, pen.theme);
  const ground = colouring === "load" && !gone ? hot : colouring === "state" ? (calm ? (ink["ok-soft"] ?? "") : tone) : (ink["sunken"] ?? "");
  round(g, box, radius);
  g.fillStyle = ground;
  g.fill();
  if (colouring === "fill" && !gone) {
    const level = Math.max(1, box.h * used);
    g.save();
    round(g, box, radius);
    g.clip();
    g.fillStyle = ink[fillToken(used)] ?? "";
    // Pale where figures stand on it.
    g.globalAlpha = large ? 0.36 : 0.78;
    g.fillRect(box.x, box.y + box.h - level, box.w, level);
    g.globalAlpha = 1;
    g.restore();
  }
  if (colouring !== "state" || calm) {
    round(g, { x: box.x + 0.5, y: box.y + 0.5, w: box.w - 1, h: box.h - 1 }, radius);
    g.lineWidth = calm ? 1 : 2;
    g.strokeStyle = calm && colouring !== "state" ? (ink["line-strong"] ?? "") : tone;
    g.stroke();
  }
  const dark = pen.theme === "dark";
  const bright = colouring === "state" ? dark || state === "suspect" || state === "full" || state === "out" : luminance(hot) > 0.3;
  const onColour = (colouring === "state" && !calm) || (colouring === "load" && !gone);
  const letters = onColour ? (bright ? "#10131a" : "#ffffff") : (ink["text"] ?? "");
  g.fillStyle = letters;
  g.strokeStyle = letters;
  if (large) paintLabel(pen, disk, box, colouring, state, used);
  else if (state !== "ok") mark(pen, state, box.x + box.w / 2, box.y + box.h / 2, box.w * 0.42);
  if (picked || focused) {
    round(g, { x: box.x - 2.5, y: box.y - 2.5, w: box.w + 5, h: box.h + 5 }, radius + 2);
    g.lineWidth = 2;
    g.strokeStyle = ink[focused ? "focus" : "text"] ?? "";
    g.stroke();
  }
}

/** Its number above, the figure below, and beside that a mark when it is not in order. */
function paintLabel(pen: Pen, disk: DiskView, box: Box, colouring: Colouring, state: DiskState, used: number): void {
  const { g } = pen;
  const gone = state === "failed" || state === "down";
  const value = gone ? "" : pen.words.percent(colouring === "load" ? disk.load : used);
  const left = box.x + 7;
  g.textBaseline = "middle";
  g.textAlign = "left";
  g.font = `500 10.5px ${pen.font}`;
  g.fillText(String(disk.id), left, box.y + 12);
  g.font = `650 12px ${pen.font}`;
  g.fillText(value, left, box.y + box.h - 12);
  if (state !== "ok") mark(pen, state, box.x + box.w - 11, box.y + 12, 8);
}

/** Relative luminance of "rgb(r,g,b)". */
function luminance(color: string): number {
  const [r = 0, g = 0, b = 0] = (color.match(/\d+/g) ?? []).map((part) => {
    const share = Number(part) / 255;
    return share <= 0.04 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function fit(g: CanvasRenderingContext2D, text: string, width: number): string {
  if (g.measureText(text).width <= width) return text;
  let kept = text;
  while (kept.length > 1 && g.measureText(`${kept}…`).width > width) kept = kept.slice(0, -1);
  return `${kept}…`;
}

export interface MapPicture {
  store: TopologyStore;
  layout: MapLayout;
  colouring: Colouring;
  theme: string;
  words: MapWords;
  pickedDisk: number | null;
  pickedNode: number | null;
  focused: number | null;
  /** Draw only what can be seen: from this line on, for so many. */
  top: number;
  bottom: number;
}

export function paint(g: CanvasRenderingContext2D, picture: MapPicture): void {
  const { store, layout, words } = picture;
  const ink = Object.fromEntries(TOKENS.map((name) => [name, token(`--${name}`)]));
  const pen: Pen = { g, ink, font: getComputedStyle(document.body).fontFamily, theme: picture.theme, words };
  const seen = (box: Box) => box.y + box.h >= picture.top && box.y <= picture.bottom;
  g.textBaseline = "middle";
  for (const zone of layout.zones.filter(seen)) {
    round(g, { x: zone.x + 0.5, y: zone.y + 0.5, w: zone.w - 1, h: zone.h - 1 }, 11);
    g.fillStyle = ink["bg"] ?? "";
    g.fill();
    g.lineWidth = 1;
    g.strokeStyle = ink["line"] ?? "";
    g.stroke();
    g.textAlign = "left";
    g.font = `620 12.5px ${pen.font}`;
    g.fillStyle = ink["text"] ?? "";
    g.fillText(fit(g, words.zone(zone.zone), zone.w - 24), zone.x + 12, zone.y + 17);
    for (const rack of zone.racks.filter(seen)) {
      round(g, { x: rack.x + 0.5, y: rack.y + 0.5, w: rack.w - 1, h: rack.h - 1 }, 8);
      g.fillStyle = ink["surface"] ?? "";
      g.fill();
      g.strokeStyle = ink["line"] ?? "";
      g.stroke();
      g.textAlign = "left";
      g.font = `400 11.5px ${pen.font}`;
      g.fillStyle = ink["text-3"] ?? "";
      g.fillText(fit(g, words.rack(rack.rack), rack.w - 24), rack.x + 12, rack.y + 14);
      for (const box of rack.nodes.filter(seen)) {
        paintNode(pen, picture, box.node, box);
        for (const cell of box.disks) {
          const disk = store.disks.get(cell.disk);
          if (disk) paintDisk(pen, disk, cell, picture.colouring, picture.pickedDisk === disk.id, picture.focused === disk.id);
        }
      }
    }
  }
}

function paintNode(pen: Pen, picture: MapPicture, id: number, box: Box): void {
  const { g, ink, words } = pen;
  const node = picture.store.nodes.get(id);
  if (!node) return;
  if (picture.pickedNode === id) {
    round(g, { x: box.x - 5, y: box.y - 3, w: box.w + 10, h: box.h + 8 }, 7);
    g.fillStyle = ink["accent-soft"] ?? "";
    g.fill();
  }
  const y = box.y + 9;
  let x = box.x;
  const wrong = node.liveness !== "alive" && node.liveness !== "unknown";
  const set = node.standing !== "in";
  if (wrong || set) {
    const state: DiskState = wrong ? (node.liveness === "suspect" ? "suspect" : "down") : node.standing === "maintenance" ? "maintenance" : "draining";
    g.strokeStyle = ink[STATE_TONES[state]] ?? "";
    mark(pen, state, x + 5, y, 8);
    x += 15;
  }
  g.textAlign = "left";
  g.font = `600 12px ${pen.font}`;
  g.fillStyle = ink["text"] ?? "";
  const name = words.node(id);
  g.fillText(name, x, y);
  x += g.measureText(name).width + 6;
  g.font = `400 11.5px ${pen.font}`;
  g.fillStyle = ink["text-3"] ?? "";
  const host = visible(middle(node.host, 60));
  const rest = node.leader ? `${host} · ${words.leader}` : host;
  g.fillText(fit(g, rest, box.x + box.w - x), x, y);
}
