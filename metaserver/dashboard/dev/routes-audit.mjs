// The journal of the mock: what `log` wrote, before it some thousand made-up entries, and one more now and then.

import { createHash } from "node:crypto";
import { log } from "./cluster.mjs";

const hashOf = (seq) => createHash("sha256").update(`entry ${seq}`).digest("hex");
const SYSTEM = { kind: "system", name: "", from: "" };
const who = (name, kind = "account", from = "10.20.9.4") => ({ kind, name, from });

const COURSE = [
  ["access", "login", "lin.wei", who("lin.wei"), { agent: "Mozilla/5.0 (X11; Linux x86_64)" }],
  ["change", "setting.change", "repair_bytes_per_second", who("lin.wei"), { value: "104857600", before: "0" }],
  ["event", "node.down", "n4", SYSTEM, { address: "10.20.0.14:7001" }],
  ["event", "data.degraded", "", SYSTEM, { groups: "41", repaired_bytes: "0" }],
  ["event", "node.up", "n4", SYSTEM, { address: "10.20.0.14:7001" }],
  ["event", "data.whole", "", SYSTEM, { repaired_bytes: "11274289152" }],
  ["access", "login.failed", "root", who("root", "anonymous", "203.0.113.77"), { tries: "3" }, "refused"],
  ["change", "disk.drain", "d3", who("anna"), { node: "1" }],
  ["change", "file.delete", "/backups/lin.wei/old", who("lin.wei"), { files: "214" }],
  ["event", "disk.failed", "d9", SYSTEM, { node: "n2", reason: "fdatasync: Input/output error (os error 5)" }],
  ["event", "data.at_risk", "", SYSTEM, { groups: "3" }],
  ["change", "key.create", "HFAK3J7Q2", who("admin"), { rules: "recordings-2026:rw", description: "<script>alert(1)</script>" }],
  ["change", "node.remove", "n6", who("anna"), {}, "refused", "214 groups count on node n6: drain it first"],
  ["change", "file.write", "/evil/invoice-\u202egpj.exe", who("pro\u0000visioner", "token"), { size: "88213" }],
  ["change", "bucket.create", `bucket-${"x".repeat(300)}`, who("provisioner", "token"), { owner: "provisioner" }],
  ["change", "meta.transfer", "n2", who("root", "cli", "10.20.0.11"), {}],
  ["event", "meta.leader", "n2", SYSTEM, { term: "41" }],
  ["change", "future.action", "thing", who("anna"), { note: "an action that this build does not know" }],
];

function entryOf([kind, action, target, actor, details, outcome = "ok", message = ""], seq, at) {
  return { seq, at: new Date(at).toISOString(), kind, actor, action, target, details, outcome, message, hash: "" };
}

export default (cluster) => {
  let at = Date.now() - 86_400_000;
  const old = [];
  const first = cluster.empty ? Infinity : cluster.seq - cluster.audit.length - 1;
  for (let seq = first; seq > 0 && seq > first - 4_000 && Number.isFinite(seq); seq--) {
    at -= cluster.random.between(20, 2_400) * 1000;
    old.push(entryOf(COURSE[seq % COURSE.length], seq, at));
  }
  cluster.audit.push(...old);
  for (const entry of cluster.audit) if (!entry.hash || entry.hash.length < 64) entry.hash = hashOf(entry.seq);
  const sealed = (entry) => ({ ...entry, hash: hashOf(entry.seq) });
  const oldest = () => cluster.audit.at(-1)?.seq ?? 0;
  const fits = (entry, query) => {
    const get = (name) => query.get(name);
    const kinds = get("kind");
    if (kinds && !kinds.split(",").includes(entry.kind)) return false;
    if (get("account") && entry.actor.name !== get("account")) return false;
    const action = get("action");
    if (action && entry.action !== action && !entry.action.startsWith(`${action}.`)) return false;
    if (get("target") && entry.target !== get("target")) return false;
    if (get("q") && !JSON.stringify(entry).toLowerCase().includes(get("q").toLowerCase())) return false;
    if (get("from") && entry.at < get("from")) return false;
    if (get("to") && entry.at >= get("to")) return false;
    return true;
  };
  return {
    "GET /audit": ({ query }) => {
      const before = Number(query.get("after") ?? Infinity);
      const limit = Number(query.get("limit") ?? 100);
      const found = cluster.audit.filter((entry) => entry.seq < before && fits(entry, query)).slice(0, limit + 1);
      return { items: found.slice(0, limit).map(sealed), next: found.length > limit ? String(found[limit - 1].seq) : null };
    },
    "GET /audit/head": () => {
      const head = cluster.audit[0];
      return { seq: head.seq, hash: hashOf(head.seq), first_seq: oldest(), at: head.at, retention_days: 365 };
    },
    "POST /audit/verify": async () => {
      await new Promise((done) => setTimeout(done, 900));
      const head = cluster.audit[0].seq;
      const members = cluster.nodes.filter((node) => node.voter).map((node) => ({ node: node.id, ok: true, answered: true, head: hashOf(head), problems: [] }));
      if (process.env.TAMPERED && members[1]) {
        Object.assign(members[1], { ok: false, head: hashOf(1), problems: [{ seq: head - 210, code: "changed", message: "its hash does not fit" }, { seq: head - 96, code: "missing", message: "entries are gone" }, { seq: head, code: "end", message: "the last entry is not the one that was written last" }, { seq: 7, code: "new_code", message: "something that this build does not know" }] });
        Object.assign(members[2], { ok: false, answered: false, head: "", problems: [] });
      }
      return { ok: members.every((member) => member.ok), first: oldest(), last: head, entries: cluster.audit.length, head: hashOf(head), members };
    },
    "GET /audit/export": ({ query, response }) => {
      const rows = cluster.audit.filter((entry) => fits(entry, query)).map(sealed);
      response.writeHead(200, { "content-type": "application/x-ndjson", "content-disposition": `attachment; filename="audit.${query.get("format")}"` });
      response.end(rows.map((row) => JSON.stringify(row)).join("\n"));
    },
  };
};

export const topics = (cluster) => {
  let told = cluster.seq;
  let seconds = 0;
  return {
    audit: () => {
      seconds += 1;
      if (!cluster.empty && seconds % 7 === 0) {
        const [kind, action, target, actor, details] = COURSE[(seconds / 7) % 6];
        log(cluster, kind, action, target, actor, details);
      }
      if (cluster.seq === told) return undefined;
      const fresh = cluster.audit.filter((entry) => entry.seq >= told).map((entry) => ({ ...entry, hash: hashOf(entry.seq) }));
      told = cluster.seq;
      return fresh;
    },
  };
};
