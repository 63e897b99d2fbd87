// Where on the map each zone, rack, node and disk is drawn. Pure: the same topology and width give the same picture.

import type { DiskView, NodeView } from "../../api/types";

export interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
}
export interface DiskBox extends Box {
  disk: number;
  node: number;
}
export interface NodeBox extends Box {
  node: number;
  disks: DiskBox[];
}
export interface RackBox extends Box {
  rack: string;
  nodes: NodeBox[];
}
export interface ZoneBox extends Box {
  zone: string;
  racks: RackBox[];
}
export interface MapLayout {
  zones: ZoneBox[];
  nodes: NodeBox[];
  disks: DiskBox[];
  cell: number;
  cellHeight: number;
  height: number;
}

const PAD = 12;
const GAP = 12;
const ZONE_HEAD = 26;
const RACK_HEAD = 24;
const NODE_HEAD = 20;
const NODE_GAP = 10;

const natural = (a: string, b: string) => a.localeCompare(b, undefined, { numeric: true });

function groupBy<T>(list: T[], of: (one: T) => string): [string, T[]][] {
  const groups = new Map<string, T[]>();
  for (const one of list) {
    const key = of(one);
    const group = groups.get(key);
    if (group) group.push(one);
    else groups.set(key, [one]);
  }
  return [...groups].sort(([a], [b]) => natural(a, b));
}

const SIZES = [92, 84, 80, 76, 72, 68, 64, 60, 56, 52, 48, 44, 40, 36, 32, 28, 26, 24, 22, 20, 18, 16];

/** The size of cells with which the map fills its width, cells are large, and it is not taller than it must be. */
export function layOut(nodes: NodeView[], disks: DiskView[], width: number, screen = 720): MapLayout {
  let best: MapLayout | null = null;
  let most = -1;
  for (const cell of SIZES) {
    const layout = layOutWith(cell, nodes, disks, width, cell <= 44);
    if (!layout) continue;
    const area = layout.nodes.reduce((sum, box) => sum + box.w * box.h, 0);
    const covered = area / (width * Math.max(layout.height, 1));
    const score = (covered * Math.sqrt(cell)) / (1 + Math.max(0, layout.height - screen) / screen);
    if (score > most) [best, most] = [layout, score];
  }
  return best!;
}

/** Null: a node's disks do not fit into one line. */
function layOutWith(cell: number, nodes: NodeView[], disks: DiskView[], width: number, force = false): MapLayout | null {
  const byNode = new Map<number, DiskView[]>();
  for (const disk of disks) {
    const list = byNode.get(disk.node);
    if (list) list.push(disk);
    else byNode.set(disk.node, [disk]);
  }
  const most = Math.max(1, ...[...byNode.values()].map((list) => list.length));
  const cellHeight = Math.min(cell, 44);
  const gap = cell > 20 ? 5 : 3;
  const inner = Math.max(120, width - 4 * PAD);
  const columns = Math.max(1, Math.min(most, 12, Math.floor((inner + gap) / (cell + gap))));
  if (columns < Math.min(most, 12) && !force) return null;
  const nodeWidth = Math.max(columns * (cell + gap) - gap, 132);
  const rackWidth = nodeWidth + 2 * PAD;

  const layout: MapLayout = { zones: [], nodes: [], disks: [], cell, cellHeight, height: 0 };
  let x = 0;
  let y = 0;
  let row = 0;
  for (const [zone, members] of groupBy(nodes, (node) => node.zone)) {
    const racks = groupBy(members, (node) => node.rack);
    const fit = Math.max(1, Math.floor((width - 2 * PAD + GAP) / (rackWidth + GAP)));
    const across = Math.min(racks.length, fit);
    const zoneWidth = across * (rackWidth + GAP) - GAP + 2 * PAD;
    if (x > 0 && x + zoneWidth > width) {
      x = 0;
      y += row + GAP;
      row = 0;
    }
    const zoneBox: ZoneBox = { x, y, w: Math.min(zoneWidth, width), h: 0, zone, racks: [] };
    let rackY = y + ZONE_HEAD + 4;
    for (let at = 0; at < racks.length; at += across) {
      let tallest = 0;
      racks.slice(at, at + across).forEach(([rack, inRack], column) => {
        const box: RackBox = { x: x + PAD + column * (rackWidth + GAP), y: rackY, w: rackWidth, h: 0, rack, nodes: [] };
        let nodeY = rackY + RACK_HEAD;
        for (const node of [...inRack].sort((a, b) => a.id - b.id)) {
          const mine = (byNode.get(node.id) ?? []).sort((a, b) => a.id - b.id);
          const rows = Math.max(1, Math.ceil(mine.length / columns));
          const left = box.x + PAD;
          const nodeBox: NodeBox = {
            x: left,
            y: nodeY,
            w: nodeWidth,
            h: NODE_HEAD + rows * (cellHeight + gap) - gap,
            node: node.id,
            disks: mine.map((disk, index) => ({
              x: left + (index % columns) * (cell + gap),
              y: nodeY + NODE_HEAD + Math.floor(index / columns) * (cellHeight + gap),
              w: cell,
              h: cellHeight,
              disk: disk.id,
              node: node.id,
            })),
          };
          box.nodes.push(nodeBox);
          layout.nodes.push(nodeBox);
          layout.disks.push(...nodeBox.disks);
          nodeY += nodeBox.h + NODE_GAP;
        }
        box.h = nodeY - rackY - NODE_GAP + PAD;
        tallest = Math.max(tallest, box.h);
        zoneBox.racks.push(box);
      });
      // Racks of one row are equally tall: the picture stays calm.
      for (const box of zoneBox.racks.slice(at)) box.h = tallest;
      rackY += tallest + GAP;
    }
    zoneBox.h = rackY - GAP + PAD - y;
    row = Math.max(row, zoneBox.h);
    for (const other of layout.zones) if (other.y === y) other.h = row;
    zoneBox.h = row;
    layout.zones.push(zoneBox);
    x += zoneBox.w + GAP;
  }
  layout.height = y + row + 2;
  return layout;
}

const inside = (box: Box, x: number, y: number) => x >= box.x && x < box.x + box.w && y >= box.y && y < box.y + box.h;

export function hit(layout: MapLayout, x: number, y: number): { disk: number } | { node: number } | null {
  const node = layout.nodes.find((box) => inside(box, x, y));
  if (!node) return null;
  const disk = node.disks.find((box) => inside({ ...box, w: box.w + 3, h: box.h + 3 }, x, y));
  if (disk) return { disk: disk.disk };
  return y < node.y + NODE_HEAD ? { node: node.node } : null;
}

/** The disk that an arrow key leads to: the nearest one in that direction. */
export function step(layout: MapLayout, from: number | null, key: string): number | null {
  const here = layout.disks.find((box) => box.disk === from);
  if (!here) return layout.disks[0]?.disk ?? null;
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key] ?? [0, 0];
  let best: DiskBox | null = null;
  let least = Infinity;
  for (const box of layout.disks) {
    const [x, y] = [box.x - here.x, box.y - here.y];
    const along = x * dx! + y * dy!;
    if (along <= 0) continue;
    const aside = Math.abs(x * dy!) + Math.abs(y * dx!);
    const distance = along + aside * 3;
    if (distance < least) {
      least = distance;
      best = box;
    }
  }
  return best?.disk ?? here.disk;
}
