// Repair and scrub in the mock.

import { GIB, MIB } from "./cluster.mjs";

const iso = (ms) => new Date(ms).toISOString();
const DAY = 86_400_000;

function group(id, level, state, disks, left) {
  const failed = disks[0];
  return {
    id, class: 1, class_name: "replicated-3", writable: "sealed", level, state, why: state, reasons: [], since: iso(Date.now() - 1_740_000),
    level_since: iso(Date.now() - 1_200_000), until: state === "waiting" ? iso(Date.now() + 130_000) : null, bytes: 31 * GIB, chunks: 4_100, spare: level === "at_risk" ? 0 : level === "unavailable" ? -1 : 1,
    bytes_left: left, epoch: 12,
    members: disks.map((disk, index) => ({ disk, node: Math.ceil(disk / 6), condition: disk === failed ? "failed" : index === 1 && level === "at_risk" ? "filling" : "whole", lacks: 0, temporary: false, shard: index, bytes_left: index === 1 ? left : 0 })),
  };
}

function repair(cluster) {
  const { left, total, rate } = cluster.repair;
  const busy = left > 0;
  return {
    running: busy ? 14 : 0, chunks: Math.round((total - left) / (3 * MIB)), bytes: total - left, bytes_left: left, rate: rate ?? 0,
    eta_seconds: busy && rate ? Math.round(left / rate) : null,
    queue: busy
      ? [{ level: "at_risk", groups: 3, bytes: 88 * GIB, bytes_left: Math.min(left, 21 * GIB) }, { level: "degraded", groups: 41, bytes: 1_260 * GIB, bytes_left: Math.max(0, left - 21 * GIB) }]
      : [],
    at_risk: busy
      ? [group(117, "at_risk", "rebuilding", [9, 14, 31], 9 * GIB), group(203, "at_risk", "rebuilding", [9, 22, 27], 7 * GIB), group(388, "at_risk", "no_room", [9, 20, 33], 5 * GIB), ...[12, 44, 61, 90, 131, 162, 240, 301].map((id, at) => group(id, "degraded", at % 3 ? "rebuilding" : "waiting", [9, 10 + at, 25 + at], (20 + at) * GIB))]
      : [],
    held: false, bytes_per_second: 0, parallel_per_disk: 2, parallel_total: 64,
  };
}

function round(number, began, bytes, more = {}) {
  return { number, ordered: false, began: iso(began), ended: iso(began + DAY * 1.2), to_do_bytes: bytes, bytes, chunks: Math.round(bytes / (3 * MIB)), damaged: 0, mended: 0, gone: 12, cut_short: false, ...more };
}

function scrubOf(cluster, disk) {
  const begun = Date.now() - DAY * ((disk.id % 6) + 1.4);
  const running = cluster.scrubbing?.has(disk.id) || disk.id % 5 === 0;
  const gone = disk.liveness === "failed";
  const damaged = disk.id === 14 ? 3 : 0;
  const history = cluster.empty ? [] : [round(9, begun, disk.used_bytes, { damaged, mended: damaged }), round(8, begun - DAY * 7, disk.used_bytes * 0.96), round(7, begun - DAY * 14, disk.used_bytes * 0.93, { ordered: true, cut_short: disk.id % 4 === 0 })];
  return {
    disk: disk.id, node: disk.node, state: gone ? "unknown" : running ? "running" : "waiting", due: running || gone ? null : iso(begun + DAY * 7), rate: running && !gone ? 15.2 * MIB : 0, cap: 16 * MIB, open: disk.id === 22 ? 2 : 0,
    round: running && !gone ? { ...round(10, Date.now() - DAY * 0.4, disk.used_bytes), ended: null, bytes: Math.round(disk.used_bytes * (((disk.id * 37) % 90) / 100 + 0.05)), damaged: 0 } : null,
    last: history[0] ?? null, history,
  };
}

export const topics = (cluster) => ({ repair: () => repair(cluster) });

export default (cluster) => ({
  "GET /repair": () => repair(cluster),
  "GET /repair/history": () => ({
    items: cluster.calm ? [] : [
      { at: iso(Date.now() - 1_300_000), kind: "group.restored", message: "group 77 is whole again", params: { group: "77" } },
      { at: iso(Date.now() - 1_700_000), kind: "repair.begin", message: "repair began", params: {} },
      { at: iso(Date.now() - 1_740_000), kind: "disk.out", message: "disk d9 was given up", params: { disk: "9" } },
      { at: iso(Date.now() - DAY * 9), kind: "repair.done", message: "redundancy is complete", params: {} },
    ],
  }),
  "GET /scrub": () => ({ disks: cluster.disks.map((disk) => scrubOf(cluster, disk)), bytes_per_second: String(16 * MIB), period_seconds: "604800" }),
  "POST /scrub": ({ body }) => {
    cluster.scrubbing = new Set(body.disks ?? cluster.disks.map((disk) => disk.id));
    return {};
  },
});
