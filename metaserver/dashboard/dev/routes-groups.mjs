// Placement groups of the mock: made once from a seed, with a few that are ill where the cluster is in trouble.

import { GIB } from "./cluster.mjs";
import { classes } from "./classes.mjs";
import { randomOf } from "./random.mjs";

const ILL = {
  rebuilding: ["degraded", "failed", 1],
  waiting: ["degraded", "silent", 1],
  mending: ["degraded", "lacks", 1],
  maintenance: ["degraded", "away", 1],
  no_room: ["at_risk", "gone", 0],
  held: ["at_risk", "silent", 0],
  moving: ["whole", "leaving", 2],
  unavailable: ["unavailable", "silent", -1],
  lost: ["unavailable", "gone", -1],
};
const PLAN = ["rebuilding", "mending", "rebuilding", "maintenance", "waiting", "rebuilding", "moving", "rebuilding", "no_room", "maintenance", "moving", "rebuilding", "waiting"];

function make(cluster, id, state, random) {
  const kind = classes[id % 5 === 0 ? 1 : id % 11 === 0 ? 2 : 0];
  const width = cluster.empty ? 1 : kind.kind === "erasure" ? kind.data + kind.parity : kind.copies;
  const disks = cluster.disks.length;
  const per = disks / cluster.nodes.length;
  const first = random.whole(0, cluster.nodes.length - 1);
  const members = Array.from({ length: width }, (_, at) => {
    const node = (first + at * (cluster.big ? 7 : 1)) % cluster.nodes.length;
    const disk = cluster.disks[(node * per + random.whole(0, per - 1)) % disks];
    return { disk: disk.id, node: disk.node, condition: "whole", lacks: 0, temporary: false, shard: kind.kind === "erasure" ? at : 0, bytes_left: 0 };
  });
  const [level, condition] = ILL[state] ?? ["whole", "whole"];
  const bytes = cluster.empty ? 0 : Math.round(random.between(20, 64) * GIB);
  const bad = members[width > 1 ? 1 : 0];
  if (state !== "whole") bad.condition = condition;
  let left = 0;
  if (state === "mending") bad.lacks = random.whole(3, 1200) > 1000 ? 1000 : 17;
  if (state === "rebuilding" || state === "moving") {
    left = Math.round(bytes * random.between(0.1, 0.9));
    const to = cluster.disks[(bad.disk * 3 + 1) % disks];
    members.push({ disk: to.id, node: to.node, condition: "filling", lacks: 0, temporary: false, shard: bad.shard, bytes_left: left });
  }
  if (state === "held") members.push({ disk: cluster.disks[(bad.disk + 5) % disks].id, node: cluster.disks[(bad.disk + 5) % disks].node, condition: "filling", lacks: 0, temporary: true, shard: bad.shard, bytes_left: 0 });
  if (level === "unavailable") for (const member of members.slice(0, -1)) member.condition = condition;
  const whole = kind.kind === "erasure" ? kind.parity : width - 1;
  const since = state === "whole" ? null : new Date(cluster.start - 1_740_000 - id * 800).toISOString();
  return {
    id,
    class: kind.id,
    class_name: kind.name,
    writable: id % 6 === 0 ? "sealed" : "writable",
    level,
    state,
    reasons: [],
    why: state === "whole" ? "nothing is lacking" : `data is missing on 1 of ${width} disks; the server's own words about d${bad.disk}`,
    since: state === "moving" ? null : since,
    level_since: since,
    until: state === "waiting" ? new Date(cluster.start + 214_000).toISOString() : null,
    bytes,
    chunks: Math.round(bytes / (7.1 * 2 ** 20)),
    spare: level === "unavailable" ? -1 : level === "at_risk" ? 0 : level === "degraded" ? Math.max(1, whole - 1) : whole,
    bytes_left: left,
    epoch: 4_100 + (id % 110),
    members,
  };
}

export default (cluster) => {
  const random = randomOf(23);
  const count = cluster.big ? 50_000 : cluster.empty ? 8 : 480;
  const all = Array.from({ length: count }, (_, at) => {
    const id = at + 1;
    const every = cluster.big ? 311 : 11;
    let state = !cluster.calm && id % every === 0 ? PLAN[(id / every) % PLAN.length] : "whole";
    if (cluster.big && id % 9_973 === 0) state = "unavailable";
    return make(cluster, id, state, random);
  });
  const tally = (key) => {
    const found = {};
    for (const group of all) {
      const one = (found[group[key]] ??= { groups: 0, bytes: 0 });
      one.groups += 1;
      one.bytes += group.bytes;
    }
    return found;
  };
  const byId = (id) => all[Number(id) - 1];
  return {
    "GET /groups/summary": () => ({
      total: all.length,
      by_level: { whole: { groups: 0, bytes: 0 }, degraded: { groups: 0, bytes: 0 }, at_risk: { groups: 0, bytes: 0 }, unavailable: { groups: 0, bytes: 0 }, ...tally("level") },
      by_state: (({ whole, ...ailing }) => ailing)(tally("state")),
      by_spare: Object.entries(tally("spare")).map(([spare, amount]) => ({ spare: Number(spare), ...amount })),
      by_class: Object.entries(tally("class")).map(([id, amount]) => ({ class: Number(id), name: classes.find((one) => one.id === Number(id)).name, ...amount })),
    }),
    "GET /groups/map": () => ({ ids: all.map((group) => group.id), level: all.map((group) => group.level[0]).join(""), class: all.map((group) => group.class) }),
    "GET /groups": ({ query }) => {
      const wants = (name) => query.get(name);
      const after = Number(wants("after") ?? 0);
      const limit = Number(wants("limit") ?? 100);
      const fits = (group) =>
        group.id > after &&
        (!wants("ailing") || group.state !== "whole") &&
        (!wants("level") || group.level === wants("level")) &&
        (!wants("state") || group.state === wants("state")) &&
        (!wants("class") || group.class === Number(wants("class"))) &&
        (!wants("disk") || group.members.some((member) => member.disk === Number(wants("disk")))) &&
        (!wants("node") || group.members.some((member) => member.node === Number(wants("node"))));
      const found = all.filter(fits).slice(0, limit + 1);
      return { items: found.slice(0, limit), next: found.length > limit ? String(found[limit - 1].id) : null };
    },
    "GET /groups/:id": ({ id }) => byId(id),
    "GET /groups/:id/files": ({ id, query }) => {
      if (!byId(id) || byId(id).bytes === 0) return { items: [], next: null };
      const from = Number(query.get("after") ?? 0);
      // A page may be empty although there are more.
      if (from === 100) return { items: [], next: "200" };
      const names = ["/recordings-2026/desk-14/2026-11-20/part-%.mp4", "/backups/lin.wei/Documents/年度报告-%.docx", "/backups/anna/<img src=x onerror=alert(1)>-%.png", "/evil/invoice-\u202egpj.%.exe", "/evil/line\nbreak\u0000-%.txt", `/deep/${"very-long-name-".repeat(60)}%.bin`];
      const items = Array.from({ length: 100 }, (_, at) => ({ path: names[(from + at) % names.length].replace("%", from + at), ino: 88_000 + from + at, size: ((from + at) * 7_919_113) % (3 * GIB) }));
      return { items, next: from < 900 ? String(from + 100) : null };
    },
  };
};
