// Rebalancing in the mock: a plan made from how full disks are, and a run that carries it out.

import { log, MIB } from "./cluster.mjs";
import { why } from "./reasons.mjs";

const share = (disk) => disk.capacity_bytes * disk.weight;
const iso = (ms) => new Date(ms).toISOString();

function balanceOf(cluster) {
  cluster.balance ??= {
    state: "idle", number: 4, automatic: true, began: iso(Date.now() - 86_400_000 * 6), changed: iso(Date.now() - 86_400_000 * 5.8),
    moves_done: 212, bytes_done: 3.1 * 2 ** 40, planned_bytes: 3.1 * 2 ** 40, moves_under_way: 0, bytes_left: 0, rate: 0, eta_seconds: null,
    outcome: why("balance_done", { percent: "4.2" }), measured: true, bytes_per_second: 0, automatic_on: true, threshold_percent: 10, parallel: 8,
  };
  if (cluster.empty) Object.assign(cluster.balance, { began: null, number: 0, outcome: why(""), bytes_done: 0, moves_done: 0 });
  return cluster.balance;
}

function plan(cluster) {
  const disks = cluster.disks.filter((disk) => disk.effective_standing === "in" && disk.liveness === "alive");
  const total = disks.reduce((sum, disk) => sum + disk.used_bytes, 0);
  const room = disks.reduce((sum, disk) => sum + share(disk), 0);
  const mean = total / room;
  const after = new Map(disks.map((disk) => [disk.id, disk.used_bytes]));
  const order = () => [...disks].sort((a, b) => after.get(b.id) / share(b) - after.get(a.id) / share(a));
  const moves = [];
  const most = cluster.big ? 1_000 : 400;
  let sorted = order();
  while (moves.length < most) {
    if (moves.length % 16 === 0) sorted = order();
    const from = sorted[moves.length % 4 % sorted.length];
    const to = sorted[sorted.length - 1 - (moves.length % 4)];
    if (!from || !to || from === to || after.get(from.id) / share(from) - after.get(to.id) / share(to) < 0.03) break;
    const bytes = Math.round((18 + ((moves.length * 7919) % 30)) * 2 ** 30);
    after.set(from.id, after.get(from.id) - bytes);
    after.set(to.id, after.get(to.id) + bytes);
    moves.push({ group: 100 + moves.length * 3, from: from.id, to: to.id, bytes, under_way: cluster.balance?.state === "running" && moves.length < 8 });
  }
  const levels = disks.map((disk) => ({ disk: disk.id, node: disk.node, share_bytes: share(disk), before_bytes: disk.used_bytes, after_bytes: after.get(disk.id), peak_bytes: Math.max(disk.used_bytes, after.get(disk.id)) + 30 * 2 ** 30, cap_bytes: disk.capacity_bytes * 0.9 }));
  const spread = (of) => (levels.length < 2 ? 0 : Math.max(...levels.map(of)) - Math.min(...levels.map(of)));
  const bytes = moves.reduce((sum, move) => sum + move.bytes, 0);
  return {
    measured: true, moves: moves.slice(0, 1_000), moves_total: moves.length, bytes,
    least_bytes: Math.min(bytes * 0.94, levels.reduce((sum, level) => sum + Math.max(0, level.before_bytes - level.share_bytes * mean), 0)),
    cut_short: moves.length === most, eta_seconds: moves.length ? Math.round(bytes / (420 * MIB)) : null, disks: levels,
    spread_before: spread((level) => level.before_bytes / level.share_bytes),
    spread_after: spread((level) => level.after_bytes / level.share_bytes),
  };
}

function advance(cluster) {
  const balance = balanceOf(cluster);
  const speed = balance.bytes_per_second ? Math.min(420 * MIB, balance.bytes_per_second * 6) : 420 * MIB;
  if (balance.state === "running") {
    balance.rate = Math.round(speed * cluster.random.between(0.85, 1.1));
    balance.bytes_done += balance.rate;
    balance.bytes_left = Math.max(0, balance.bytes_left - balance.rate);
    balance.moves_done = Math.floor(balance.bytes_done / (32 * 2 ** 30));
    balance.moves_under_way = 8;
    balance.eta_seconds = Math.round(balance.bytes_left / balance.rate);
    if (balance.bytes_left === 0) Object.assign(balance, { state: "idle", outcome: why("balance_done", { percent: "2.9" }), moves_under_way: 0, rate: 0 });
  } else {
    balance.rate = 0;
    balance.eta_seconds = null;
    if (balance.state === "paused") balance.moves_under_way = 0;
    if (balance.state === "cancelling") Object.assign(balance, { state: "idle", outcome: why("balance_cancelled"), moves_under_way: 0, bytes_left: 0 });
  }
  balance.changed = iso(Date.now());
  return balance;
}

export const topics = (cluster) => ({ balance: () => advance(cluster) });

export default (cluster) => ({
  "GET /balance": () => balanceOf(cluster),
  "GET /balance/plan": () => plan(cluster),
  "GET /balance/history": () => ({
    items: cluster.empty ? [] : [
      { number: 4, automatic: true, began: iso(Date.now() - 86_400_000 * 6), ended: iso(Date.now() - 86_400_000 * 5.8), moves: 212, bytes: 3.1 * 2 ** 40, planned_bytes: 3.1 * 2 ** 40, outcome: why("balance_done", { percent: "4.2" }), by: "" },
      { number: 3, automatic: false, began: iso(Date.now() - 86_400_000 * 31), ended: iso(Date.now() - 86_400_000 * 30.9), moves: 40, bytes: 0.4 * 2 ** 40, planned_bytes: 2 * 2 ** 40, outcome: why("balance_cancelled"), by: "lin.wei" },
    ],
  }),
  "PUT /balance/throttle": ({ body, actor }) => {
    balanceOf(cluster).bytes_per_second = body.bytes_per_second;
    log(cluster, "change", "balance.throttle", "", actor);
    return balanceOf(cluster);
  },
  "POST /balance/:verb": ({ verb, actor }) => {
    const balance = balanceOf(cluster);
    const next = { start: "running", pause: "paused", resume: "running", cancel: "cancelling" }[verb];
    if (!next) return undefined;
    if (verb === "start") {
      const made = plan(cluster);
      Object.assign(balance, { number: balance.number + 1, automatic: false, began: iso(Date.now()), bytes_done: 0, moves_done: 0, planned_bytes: made.bytes, bytes_left: made.bytes, outcome: why("") });
    }
    balance.state = next;
    log(cluster, "change", `balance.${verb}`, "", actor);
    return balance;
  },
});
