// Settings, storage classes, the metadata group and the join token of the mock.

import { randomBytes } from "node:crypto";
import { classes } from "./classes.mjs";
import { log } from "./cluster.mjs";
import { settings } from "./settings.mjs";

const TIB = 2 ** 40;
const values = new Map([
  ["repair_bytes_per_second", String(100 * 2 ** 20)],
  ["grace_seconds", "900"],
  ["balance_auto", "false"],
]);
const UNKNOWN = { name: "future_knob", default: "7", kind: "number", least: 1, most: 9, meaning: "A setting that this dashboard does not know <b>yet</b>.", group: "future", unit: "count" };

const invalid = (message) => ({ refused: { status: 400, code: "invalid_argument", message, params: { reason: message } } });

export default (cluster) => {
  const shown = (about) => ({ ...about, value: values.get(about.name) ?? about.default });
  const all = [...settings, UNKNOWN];
  const classView = (one) => {
    const erasure = one.kind === "erasure";
    const data = erasure ? one.data : 1;
    const members = erasure ? one.data + one.parity : one.copies;
    const share = one.id === 1 ? 0.7 : one.id === 2 ? 0.25 : 0;
    const total = cluster.empty ? 0 : cluster.big ? 1_900 * TIB : 34 * TIB;
    return { ...one, groups: cluster.empty ? 8 : Math.round(share * 480), bytes: Math.round(total * share), overhead: members / data, tolerates: members - data };
  };
  const meta = () => {
    const leader = cluster.nodes.find((node) => node.leader);
    const voters = cluster.nodes.filter((node) => node.voter).map((node) => ({ node: node.id, address: node.address, matched_behind: node.leader ? 0 : cluster.random.whole(0, 2), silent_ms: node.leader ? 0 : cluster.random.whole(3, 60), ok: true }));
    const index = 18_204_911 + Math.round((Date.now() - cluster.start) / 4);
    return { leader: leader?.id ?? null, term: 41, quorum_age_ms: 21, voters, learners: [], tolerates: Math.floor((voters.length - 1) / 2), last_log: index, applied: index, snapshot: 18_200_000, purged: 18_150_000 };
  };
  return {
    "GET /settings": () => ({ items: all.map(shown), next: null }),
    "PUT /settings/:name": ({ name, body, actor }) => {
      const about = all.find((one) => one.name === name);
      if (!about) return undefined;
      const number = Number(body.value);
      if (about.least !== undefined && body.value !== "node" && !(number >= about.least && number <= about.most)) return invalid(`${name} takes a whole number from ${about.least} to ${about.most}`);
      log(cluster, "change", "setting.change", name, actor, { value: body.value, before: shown(about).value });
      values.set(name, body.value);
      return shown(about);
    },
    "DELETE /settings/:name": ({ name, actor }) => {
      const about = all.find((one) => one.name === name);
      values.delete(name);
      log(cluster, "change", "setting.change", name, actor);
      return about && shown(about);
    },
    "GET /classes": () => ({ items: classes.map(classView), next: null }),
    "POST /classes": ({ body, actor }) => {
      if (classes.some((one) => one.name === body.name)) return { refused: { status: 409, code: "exists", message: `there is a class "${body.name}" already` } };
      const made = { inline_limit: 4096, chunk_bytes: 8 * 2 ** 20, is_default: false, ...body, id: classes.length + 1 };
      classes.push(made);
      log(cluster, "change", "class.create", body.name, actor);
      return classView(made);
    },
    "PATCH /classes/:id": ({ id, body, actor }) => {
      const one = classes.find((each) => each.id === Number(id));
      if (!one) return undefined;
      Object.assign(one, body);
      log(cluster, "change", "class.change", one.name, actor, { copies: String(one.copies) });
      return classView(one);
    },
    "GET /meta": meta,
    "POST /meta/:action": ({ action, body, actor }) => {
      const byId = (id) => cluster.nodes.find((node) => node.id === id);
      const node = byId(body.node);
      if (action === "transfer") for (const each of cluster.nodes) each.leader = each === node;
      if (action === "remove" && node?.leader) return { refused: { status: 412, code: "precondition_failed", message: "it leads the metadata group: leadership was handed over; ask again" } };
      if (action === "add" || action === "replace") node.voter = true;
      if (action === "remove") node.voter = false;
      if (action === "replace") byId(body.replaces).voter = false;
      log(cluster, "change", `meta.${action}`, `n${body.node}`, actor, body.replaces ? { replaces: `n${body.replaces}` } : {});
      return meta();
    },
    "POST /join-token": ({ actor }) => {
      log(cluster, "change", "join_token.create", "", actor);
      return { token: randomBytes(24).toString("base64url") };
    },
    "DELETE /join-token": ({ actor, response }) => {
      log(cluster, "change", "join_token.delete", "", actor);
      response.writeHead(204).end();
      return {};
    },
  };
};
