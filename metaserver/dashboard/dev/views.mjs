// What the cluster looks like through the admin API.

import { GIB, TIB } from "./cluster.mjs";
import { why } from "./reasons.mjs";

/** What a node knows that does not lead. */
const NOTHING = { raw_bytes: 0, raw_used_bytes: 0, stored_bytes: 0, available_bytes: 0, trash_bytes: 0, trash_files: 0, files: 0, chunks: 0, forecast: null };

const iso = (ms) => new Date(ms).toISOString();
const sum = (list, of) => list.reduce((total, one) => total + of(one), 0);

export function totals(cluster) {
  const raw = sum(cluster.disks, (disk) => disk.capacity_bytes);
  const used = sum(cluster.disks, (disk) => disk.used_bytes);
  return { raw, used, stored: Math.round(used / 2.62) };
}

function issues(cluster, now) {
  if (cluster.calm) {
    return cluster.empty
      ? [{ code: "single_copy", severity: "note", message: "a storage class keeps a single copy: a lost disk is lost data. It grows by itself as nodes join", params: {}, since: null }]
      : [];
  }
  const since = iso(now - 1_740_000);
  return [
    { code: "pgs_at_risk", severity: "danger", message: "3 placement groups would become unavailable with one more failure; repair takes them first", params: { groups: "3" }, since },
    { code: "pgs_degraded", severity: "warning", message: "41 placement groups lack a copy and could lose one more", params: { groups: "41" }, since },
    { code: "disk_failed", severity: "warning", message: "disk d9 on node n2 has failed; its data is being rebuilt elsewhere. Replace it", params: { disk: "9", node: "2", reason: "fdatasync: Input/output error (os error 5)" }, since },
    { code: "disk_full", severity: "warning", message: "disk d21 on node n4 is full: it takes no new chunks. Add disks or delete data", params: { disk: "21", node: "4" }, since: iso(now - 86_400_000 * 2) },
    { code: "procedure_held_up", severity: "warning", message: "disk d3 on node n1 is being emptied: 2 groups find no other disk that is apart enough and has room: add one, or give disks room", params: {}, since: null },
    { code: "procedure", severity: "note", message: "node n4 is in maintenance for 45 more minutes: still here; its absence will cause no rebuild", params: {}, since: null },
  ];
}

function jobs(cluster) {
  const list = [];
  const { repair } = cluster;
  if (repair.left > 0) {
    list.push({ kind: "repair", title_params: {}, state: "running", done_bytes: repair.total - repair.left, total_bytes: repair.total, rate: repair.rate ?? 0, eta_seconds: repair.rate ? Math.round(repair.left / repair.rate) : null, since: iso(cluster.start - 1_740_000), detail: why(""), blocked: [] });
  }
  for (const one of cluster.procedures) {
    const title = one.disk === null ? { node: String(one.node) } : { disk: String(one.disk), node: String(one.node) };
    const moves = one.kind !== "maintenance";
    list.push({ kind: one.kind, title_params: title, state: one.done ? "done" : "running", done_bytes: moves ? one.bytes_begun - one.bytes_left : null, total_bytes: moves ? one.bytes_begun : null, rate: one.rate, eta_seconds: moves ? one.eta_seconds : one.ends_in_seconds, since: one.began, detail: one.detail, blocked: one.blocked });
  }
  const { balance } = cluster;
  if (balance && balance.state !== "idle") {
    list.push({ kind: "balance", title_params: {}, state: balance.state === "paused" ? "paused" : "running", done_bytes: balance.bytes_done, total_bytes: balance.planned_bytes, rate: balance.rate, eta_seconds: balance.eta_seconds, since: balance.began, detail: why(""), blocked: [] });
  }
  if (!cluster.empty) {
    list.push({ kind: "scrub", title_params: {}, state: "running", done_bytes: 31 * TIB, total_bytes: 74 * TIB, rate: 412 * 2 ** 20, eta_seconds: 108_400, since: iso(cluster.start - 86_400_000), detail: why(""), blocked: [] });
  }
  return list;
}

export function overview(cluster, { leaderless = false } = {}) {
  const now = Date.now();
  const { raw, used, stored } = totals(cluster);
  const all = cluster.big ? 50_000 : cluster.empty ? 8 : 480;
  const bad = cluster.calm ? [0, 0, 0] : [41, 3, 0];
  const found = issues(cluster, now);
  const worst = found.some((one) => one.severity === "danger") ? "danger" : found.some((one) => one.severity === "warning") ? "warning" : "healthy";
  const voters = cluster.nodes.filter((node) => node.voter).map((node) => ({ node: node.id, address: node.address, matched_behind: node.leader ? 0 : cluster.random.whole(0, 3), silent_ms: node.leader ? 0 : cluster.random.whole(3, 40), ok: true }));
  if (leaderless) {
    return { ...overview(cluster), complete: false, health: "danger", issues: [{ code: "no_leader", severity: "danger", message: "no leader is known here", params: {}, since: iso(now - 9_000) }], meta: { leader: null, term: 42, quorum_age_ms: 9_000, voters: voters.map((voter) => ({ ...voter, ok: voter.node === 1, matched_behind: null, silent_ms: voter.node === 1 ? 0 : 9_000 })), learners: [], tolerates: 0 }, jobs: [], nodes: { total: 0, alive: 0 }, disks: { total: 0, alive: 0, full: 0, failed: 0 }, capacity: NOTHING, redundancy: { pgs_healthy: 0, pgs_degraded: 0, pgs_at_risk: 0, pgs_unavailable: 0, missing_chunks: 0, garbage_chunks: 0, survives: [], oldest_since: null, bytes_left: 0, rate: 0, eta_seconds: null, measured: false }, sessions: 0 };
  }
  return {
    health: worst,
    complete: true,
    cluster: cluster.name,
    version: cluster.version,
    now: iso(now),
    issues: found,
    meta: { leader: cluster.nodes.find((node) => node.leader).id, term: 41, quorum_age_ms: 21, voters, learners: [], tolerates: Math.floor((voters.length - 1) / 2) },
    nodes: { total: cluster.nodes.length, alive: cluster.nodes.filter((node) => node.liveness === "alive").length },
    disks: { total: cluster.disks.length, alive: cluster.disks.filter((disk) => disk.liveness === "alive").length, full: cluster.disks.filter((disk) => disk.liveness === "full").length, failed: cluster.disks.filter((disk) => disk.liveness === "failed").length },
    capacity: {
      raw_bytes: raw,
      raw_used_bytes: used,
      stored_bytes: stored,
      available_bytes: Math.round((raw * 0.9 - used) / 2.62),
      trash_bytes: cluster.empty ? 0 : 712 * GIB,
      trash_files: cluster.empty ? 0 : 18_204,
      files: cluster.empty ? 0 : cluster.big ? 184_211_908 : 6_204_118,
      chunks: cluster.empty ? 0 : 8_911_204,
      forecast: cluster.empty ? null : { full_at: iso(now + 86_400_000 * 143), growth_bytes_per_day: cluster.big ? 5.2 * TIB : 214 * GIB, basis_days: 30 },
    },
    redundancy: {
      pgs_healthy: all - bad[0] - bad[1],
      pgs_degraded: bad[0],
      pgs_at_risk: bad[1],
      pgs_unavailable: bad[2],
      missing_chunks: cluster.calm ? 0 : 1_204,
      garbage_chunks: cluster.empty ? 0 : 9_811,
      survives: cluster.empty
        ? [{ failures: 0, groups: 8, bytes: 0 }]
        : [
            ...(cluster.calm ? [] : [{ failures: 0, groups: 3, bytes: 88 * GIB }]),
            { failures: 1, groups: 61, bytes: Math.round(stored * 0.13) },
            { failures: 2, groups: all - 64, bytes: Math.round(stored * 0.86) },
          ],
      oldest_since: cluster.calm ? null : iso(now - 1_740_000),
      bytes_left: cluster.repair.left,
      rate: cluster.repair.rate ?? 0,
      eta_seconds: cluster.repair.rate ? Math.round(cluster.repair.left / cluster.repair.rate) : null,
      measured: true,
    },
    io: cluster.io,
    jobs: jobs(cluster),
    empty: cluster.empty,
    sessions: cluster.empty ? 1 : 86,
    map_epoch: cluster.epoch,
    uptime_seconds: Math.round((now - cluster.start) / 1000) + 86_400 * 12,
  };
}

const RANGES = { "1h": [3_600, 10], "24h": [86_400, 300], "30d": [86_400 * 30, 7_200], "1y": [86_400 * 365, 86_400] };

export function historyOf(cluster, range) {
  const [span, step] = RANGES[range] ?? RANGES["1h"];
  const { raw, used, stored } = totals(cluster);
  const now = Math.floor(Date.now() / 1000 / step) * step;
  const points = [];
  const known = cluster.empty ? 340 : range === "1y" ? 86_400 * 96 : span;
  for (let at = now - span; at <= now; at += step) {
    const age = now - at;
    if (age > known) {
      points.push({ at: iso(at * 1000), io: null, stored_bytes: null, raw_used_bytes: null, raw_bytes: null });
      continue;
    }
    const day = Math.sin(((at % 86_400) / 86_400 - 0.3) * 2 * Math.PI) * 0.5 + 0.55;
    const jitter = () => 0.75 + cluster.random.next() * 0.5;
    const scale = cluster.empty ? 0 : cluster.big ? 14 : 1;
    const shrink = 1 - (age / 86_400) * 0.0035;
    points.push({
      at: iso(at * 1000),
      io: { read_bytes: 640e6 * day * jitter() * scale, write_bytes: 330e6 * day * jitter() * scale, read_ops: 900 * day * jitter() * scale, write_ops: 600 * day * jitter() * scale, meta_ops: 3_900 * day * jitter() * scale, read_ms: 3.4 * jitter() * Math.min(scale, 1), write_ms: 8.1 * jitter() * Math.min(scale, 1), meta_ms: 0.9 * jitter() * Math.min(scale, 1) },
      stored_bytes: stored * shrink,
      raw_used_bytes: used * shrink,
      raw_bytes: raw,
    });
  }
  return { range, step_seconds: step, complete_since: iso((now - known) * 1000), points };
}

const bare = ({ heat, ...disk }) => disk;
export const topology = (cluster) => ({ map_epoch: cluster.epoch, nodes: cluster.nodes, disks: cluster.disks.map(bare) });
export const diskView = bare;

export const topologyLoad = (cluster) => ({
  map_epoch: cluster.epoch,
  disks: cluster.disks.filter((disk) => cluster.changed.has(disk.id)).map((disk) => [disk.id, disk.used_bytes, disk.free_bytes, disk.liveness, disk.read_bytes, disk.write_bytes, disk.load]),
  nodes: cluster.nodes.filter((node) => cluster.changedNodes.has(node.id)).map((node) => [node.id, node.liveness, node.silent_ms]),
});
