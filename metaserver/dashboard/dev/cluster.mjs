// A cluster that exists only here: nodes, disks and groups, and what happens to them second by second.

import { randomOf, wanderer } from "./random.mjs";
import { why } from "./reasons.mjs";

export const TIB = 2 ** 40;
export const GIB = 2 ** 30;
export const MIB = 2 ** 20;
const iso = (ms) => new Date(ms).toISOString();

export function makeCluster({ big = false, empty = false, calm = false } = {}) {
  const random = randomOf(7);
  const start = Date.now();
  const zones = big ? ["dc1", "dc2", "dc3", "dc4"] : ["dc1", "dc2"];
  const nodeCount = big ? 100 : empty ? 1 : 6;
  const perNode = big ? 10 : empty ? 2 : 6;
  const nodes = [];
  const disks = [];
  for (let index = 0; index < nodeCount; index++) {
    const zone = zones[index % zones.length];
    const rack = `r${(Math.floor(index / zones.length) % (big ? 5 : 2)) + 1}`;
    const ip = `10.20.${Math.floor(index / 200)}.${11 + index}`;
    const meta = index < 5 && (index < 3 || big);
    nodes.push({
      id: index + 1,
      address: `${ip}:7001`,
      admin_address: `${ip}:7002`,
      s3_address: index < 4 ? `${ip}:9000` : "",
      zone,
      rack,
      host: `store-${String(index + 1).padStart(2, "0")}`,
      roles: [...(meta ? ["meta"] : []), "chunk", ...(index < 4 ? ["gateway"] : []), "worker"],
      standing: "in",
      liveness: "alive",
      silent_ms: 300,
      version: "1.4.0",
      uptime_ms: 1000 * (86_400 * 12 + index * 3_331),
      leader: index === 1 || nodeCount === 1,
      voter: meta,
      disks: perNode,
      procedure: null,
    });
    for (let at = 0; at < perNode; at++) {
      const size = (big ? random.one([4, 8, 8, 16]) : at < 3 ? 8 : 4) * TIB;
      const fill = empty ? 0.0004 : random.between(0.42, 0.66) + (at === 5 ? 0.12 : 0) - (index === 5 ? 0.3 : 0);
      const used = Math.round(size * fill);
      const id = index * perNode + at + 1;
      disks.push({
        id,
        node: index + 1,
        incarnation: 1000 + id,
        path: `/srv/holdfast/d${at + 1}`,
        standing: "in",
        effective_standing: "in",
        liveness: "alive",
        condition: "good",
        reason: "",
        weight: 1,
        capacity_bytes: size,
        used_bytes: used,
        free_bytes: size - used,
        garbage_bytes: Math.round(used * 0.012),
        groups: empty ? 4 : Math.round(((big ? 150_000 : 1_440) / (nodeCount * perNode)) * random.between(0.9, 1.1)),
        records: Math.round(used / (3.1 * MIB)),
        commit_us: Math.round(random.between(700, 4_200)),
        read_bytes: 0,
        write_bytes: 0,
        read_ops: 0,
        write_ops: 0,
        load: 0,
        lost: false,
        procedure: null,
        heat: wanderer(random, 0.02, random.between(0.15, 0.85), 0.15),
      });
    }
  }
  const cluster = {
    big,
    empty,
    calm: calm || empty,
    random,
    start,
    name: empty ? "holdfast" : "backup-hangzhou",
    version: "1.4.0",
    epoch: 4_211,
    nodes,
    disks,
    io: null,
    walks: {
      read: wanderer(random, 180 * MIB, 900 * MIB),
      write: wanderer(random, 90 * MIB, 520 * MIB),
      meta: wanderer(random, 900, 6_200),
      readMs: wanderer(random, 1.8, 6),
      writeMs: wanderer(random, 4, 14),
      metaMs: wanderer(random, 0.5, 1.6),
    },
    procedures: [],
    repair: { left: 0, total: 0 },
    audit: [],
    seq: 9_120,
    changed: new Set(),
    changedNodes: new Set(),
  };
  if (!cluster.calm) trouble(cluster);
  history(cluster);
  return cluster;
}

/** What is wrong today: a disk that failed, a disk that is slow to answer, a drain, a node in maintenance. */
function trouble(cluster) {
  const failed = cluster.disks[8];
  Object.assign(failed, { liveness: "failed", condition: "failed", reason: "fdatasync: Input/output error (os error 5)", standing: "out", effective_standing: "out", read_bytes: 0, write_bytes: 0 });
  cluster.disks[14].liveness = "suspect";
  Object.assign(cluster.disks[20], { liveness: "full", condition: "full", used_bytes: Math.round(cluster.disks[20].capacity_bytes * 0.95) });
  cluster.disks[20].free_bytes = cluster.disks[20].capacity_bytes - cluster.disks[20].used_bytes;
  cluster.repair = { left: 611 * GIB, total: 1_480 * GIB };
  beginDrain(cluster, cluster.disks[2]);
  const node = cluster.nodes[3];
  node.standing = "maintenance";
  node.procedure = procedure(cluster, "maintenance", null, node, { ends_in_seconds: 2_710, detail: why("maintenance_here") });
  for (const disk of disksOf(cluster, node.id)) disk.effective_standing = "maintenance";
  cluster.procedures.push(node.procedure);
}

export const disksOf = (cluster, node) => cluster.disks.filter((disk) => disk.node === node);

export function procedure(cluster, kind, disk, node, more = {}) {
  const all = disk ? [disk] : disksOf(cluster, node.id);
  const bytes = all.reduce((sum, one) => sum + one.used_bytes, 0);
  const groups = all.reduce((sum, one) => sum + one.groups, 0);
  return {
    kind,
    disk: disk ? disk.id : null,
    node: node.id,
    began: iso(Date.now() - 1_900_000),
    groups_begun: groups,
    bytes_begun: bytes,
    groups_left: groups,
    bytes_left: kind === "maintenance" ? 0 : bytes,
    rate: 0,
    eta_seconds: null,
    ends_in_seconds: null,
    blocked: [],
    detail: why(""),
    done: false,
    ...more,
  };
}

export function beginDrain(cluster, disk, share = 0.62) {
  disk.standing = "draining";
  disk.effective_standing = "draining";
  const node = cluster.nodes[disk.node - 1];
  const one = procedure(cluster, "drain", disk, node, {
    blocked: share < 1 && share > 0 ? [why("waits_for_room", { groups: "2" })] : [],
  });
  one.bytes_left = Math.round(one.bytes_begun * share);
  one.groups_left = Math.round(one.groups_begun * share);
  disk.procedure = one;
  cluster.procedures.push(one);
  return one;
}

const ACTIONS = [
  ["change", "setting.change", "repair_bytes_per_second", "account", "lin.wei"],
  ["event", "node.up", "4", "system", ""],
  ["event", "disk.suspect", "15", "system", ""],
  ["change", "node.maintenance", "4", "account", "lin.wei"],
  ["event", "node.down", "4", "system", ""],
  ["change", "disk.drain", "3", "account", "anna"],
  ["event", "disk.failed", "9", "system", ""],
  ["event", "disk.out", "9", "system", ""],
  ["event", "repair.begin", "", "system", ""],
  ["change", "key.create", "HFAK3J7Q2", "account", "admin"],
  ["change", "bucket.create", "recordings-2026", "token", "provisioner"],
  ["event", "meta.leader", "2", "system", ""],
];

function history(cluster) {
  if (cluster.empty) {
    log(cluster, "event", "node.join", "1", { kind: "system", name: "", from: "" }, {}, Date.now() - 340_000);
    return;
  }
  let at = Date.now() - 86_400_000;
  for (const [kind, action, target, actor, name] of ACTIONS.toReversed ? [...ACTIONS].reverse() : ACTIONS) {
    at += cluster.random.between(300, 7_000) * 1000;
    log(cluster, kind, action, target, { kind: actor, name, from: actor === "system" ? "" : "10.20.9.4" }, {}, Math.min(at, Date.now() - 60_000));
  }
}

export function log(cluster, kind, action, target, actor, details = {}, at = Date.now()) {
  const entry = {
    seq: cluster.seq++,
    at: iso(at),
    kind,
    actor,
    action,
    target: String(target),
    details,
    outcome: "ok",
    message: `${action} ${target}`.trim(),
    hash: cluster.random.next().toString(16).slice(2).padEnd(16, "0"),
  };
  cluster.audit.unshift(entry);
  return entry;
}

/** One second passes. */
export function tick(cluster) {
  const { walks, random } = cluster;
  const scale = cluster.empty ? 0 : cluster.big ? 14 : 1;
  const read = walks.read() * scale;
  const write = walks.write() * scale;
  cluster.io = {
    read_bytes: Math.round(read),
    write_bytes: Math.round(write),
    read_ops: Math.round(read / (740 * 1024)),
    write_ops: Math.round(write / (610 * 1024)),
    meta_ops: Math.round(walks.meta() * scale),
    read_ms: scale ? walks.readMs() : 0,
    write_ms: scale ? walks.writeMs() : 0,
    meta_ms: scale ? walks.metaMs() : 0,
  };
  cluster.changed.clear();
  const share = cluster.big ? 0.25 : 1;
  for (const disk of cluster.disks) {
    if (disk.liveness === "failed" || disk.liveness === "down" || random.next() > share) continue;
    disk.load = cluster.empty ? 0.01 : disk.heat();
    disk.read_bytes = Math.round(disk.load * 140 * MIB);
    disk.write_bytes = Math.round(disk.load * 90 * MIB * random.between(0.3, 1));
    disk.read_ops = Math.round(disk.read_bytes / (700 * 1024));
    disk.write_ops = Math.round(disk.write_bytes / (600 * 1024));
    if (!cluster.empty && disk.liveness !== "full") {
      disk.used_bytes = Math.min(disk.capacity_bytes * 0.98, disk.used_bytes + Math.round(disk.load * MIB));
      disk.free_bytes = disk.capacity_bytes - disk.used_bytes;
    }
    cluster.changed.add(disk.id);
  }
  cluster.changedNodes.clear();
  for (const node of cluster.nodes) {
    node.uptime_ms += 1_000;
    node.silent_ms = node.liveness === "alive" ? random.whole(20, 900) : node.silent_ms + 1_000;
    if (random.next() < 0.2) cluster.changedNodes.add(node.id);
  }
  for (const one of cluster.procedures) {
    if (one.kind === "maintenance") {
      one.ends_in_seconds = one.ends_in_seconds === null ? null : Math.max(0, one.ends_in_seconds - 1);
      continue;
    }
    one.rate = one.bytes_left > 0 ? Math.round(random.between(170, 240) * MIB) : 0;
    one.bytes_left = Math.max(0, one.bytes_left - one.rate);
    one.groups_left = Math.ceil(one.groups_begun * (one.bytes_left / one.bytes_begun));
    one.eta_seconds = one.rate ? Math.round(one.bytes_left / one.rate) : 0;
    one.done = one.bytes_left === 0;
    one.detail = one.done ? "empty; it may be removed" : `${one.groups_left} groups still count on it`;
  }
  if (cluster.repair.left > 0) {
    cluster.repair.rate = Math.round(random.between(280, 390) * MIB);
    cluster.repair.left = Math.max(0, cluster.repair.left - cluster.repair.rate);
  }
}
