// Accounts, keys, tokens and sessions of the mock.

import { log } from "./cluster.mjs";

const iso = (ms) => new Date(ms).toISOString();
const HOUR = 3_600_000;
const refuse = (status, code, message) => ({ refused: { status, code, message } });
const secret = (length) => Array.from({ length }, () => "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"[Math.floor(Math.random() * 56)]).join("");

export default function routes(cluster) {
  const now = Date.now();
  const account = (name, role, more = {}) => ({ name, role, disabled: false, created: iso(now - 300 * 24 * HOUR), last_login: iso(now - 3 * HOUR), must_change_password: false, sessions: 1, tokens: 0, ...more });
  let accounts = [
    account("admin", "admin", { sessions: 2, tokens: 1 }),
    account("ci@build", "operator", { last_login: null, sessions: 0, tokens: 2 }),
    account("fresh", "admin", { must_change_password: true, last_login: null, disabled: true, sessions: 0 }),
    account("operator", "operator"),
    account("viewer", "viewer"),
    account("wei.zhang", "viewer", { disabled: true, last_login: iso(now - 90 * 24 * HOUR), sessions: 0 }),
  ];
  const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36";
  let sessions = [
    { id: "c1", account: "admin", created: iso(now - 2 * HOUR), last_seen: iso(now - 4_000), expires: iso(now + 6 * HOUR), from: "10.20.0.8", agent: chrome, current: true },
    { id: "c2", account: "admin", created: iso(now - 30 * HOUR), last_seen: iso(now - 9 * HOUR), expires: iso(now + 2 * HOUR), from: "10.20.4.2", agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15", current: false },
    { id: "c3", account: "operator", created: iso(now - HOUR), last_seen: iso(now - 70_000), expires: iso(now + 7 * HOUR), from: "fd00::17", agent: "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0", current: false },
    { id: "c4", account: "viewer", created: iso(now - 5 * HOUR), last_seen: iso(now - 2 * HOUR), expires: iso(now + 3 * HOUR), from: "10.20.9.77", agent: "<script>\u202Egnp.tobor", current: false },
  ];
  let tokens = [
    { id: "t1", account: "ci@build", role: "operator", description: "Deploy pipeline", created: iso(now - 120 * 24 * HOUR), expires: null, last_used: iso(now - 600_000) },
    { id: "t2", account: "ci@build", role: "viewer", description: "Capacity report <weekly>", created: iso(now - 40 * 24 * HOUR), expires: iso(now + 50 * 24 * HOUR), last_used: null },
    { id: "t3", account: "admin", role: "viewer", description: "Grafana", created: iso(now - 200 * 24 * HOUR), expires: iso(now - 20 * 24 * HOUR), last_used: iso(now - 21 * 24 * HOUR) },
  ];
  const rule = (bucket, read, write, manage) => ({ bucket, read, write, manage });
  let keys = cluster.empty
    ? []
    : [
        { access_key: "HF7Q2KD0MAPX93LB", description: "Backup jobs", disabled: false, rules: [rule("backups", true, true, false)] },
        { access_key: "HFZ81NRT44QWE0YU", description: "Media team", disabled: false, rules: [rule("media", true, true, true), rule("media-*", true, true, true), rule("logs", true, false, false)] },
        { access_key: "HF00OLDKEY00000A", description: "Former contractor", disabled: true, rules: [rule("*", true, false, false)] },
        { access_key: "HF11NORULES0000B", description: "", disabled: false, rules: [] },
      ];
  const keepsAnAdmin = (after) =>
    after.some((one) => one.role === "admin" && !one.disabled) ? null : refuse(412, "precondition_failed", "this is the last enabled account with the role admin: make another one first");
  const note = (action, target, actor) => log(cluster, "change", action, target, actor);

  return {
    "GET /accounts": () => ({ items: accounts }),
    "POST /accounts": ({ body, actor }) => {
      if (accounts.some((one) => one.name === body.name)) return refuse(409, "exists", `there is an account "${body.name}" already`);
      accounts = [...accounts, account(body.name, body.role, { created: iso(Date.now()), last_login: null, sessions: 0, must_change_password: true })].sort((a, b) => (a.name < b.name ? -1 : 1));
      note("account.create", body.name, actor);
      return accounts.find((one) => one.name === body.name);
    },
    "PATCH /accounts/:name": ({ name, body, actor }) => {
      const { password, ...rest } = body;
      const after = accounts.map((one) => (one.name === name ? { ...one, ...rest, ...(password ? { must_change_password: true } : {}), sessions: 0 } : one));
      const refused = keepsAnAdmin(after);
      if (refused) return refused;
      accounts = after;
      note("account.change", name, actor);
      return accounts.find((one) => one.name === name);
    },
    "DELETE /accounts/:name": ({ name, actor }) => {
      const after = accounts.filter((one) => one.name !== name);
      const refused = keepsAnAdmin(after);
      if (refused) return refused;
      accounts = after;
      tokens = tokens.filter((one) => one.account !== name);
      note("account.delete", name, actor);
      return {};
    },
    "GET /sessions": ({ actor }) => ({ items: sessions.filter((one) => actor.name === "admin" || one.account === actor.name).map((one) => ({ ...one, current: one.account === actor.name && one.id !== "c2" })) }),
    "DELETE /sessions/:id": ({ id }) => ((sessions = sessions.filter((one) => one.id !== id)), {}),
    "GET /tokens": ({ actor }) => ({ items: tokens.filter((one) => actor.name === "admin" || one.account === actor.name) }),
    "POST /tokens": ({ body, actor }) => {
      const made = { id: secret(8), account: actor.name, role: body.role, description: body.description, created: iso(Date.now()), expires: body.expires_in_seconds ? iso(Date.now() + body.expires_in_seconds * 1000) : null, last_used: null };
      tokens = [made, ...tokens];
      note("token.create", made.id, actor);
      return { ...made, token: `hft_${secret(40)}` };
    },
    "DELETE /tokens/:id": ({ id }) => ((tokens = tokens.filter((one) => one.id !== id)), {}),
    "GET /keys": () => ({ items: keys }),
    "POST /keys": ({ body, actor }) => {
      const made = { access_key: `HF${secret(14).toUpperCase()}`, description: body.description, disabled: false, rules: body.rules };
      keys = [made, ...keys];
      note("key.create", made.access_key, actor);
      return { ...made, secret_key: secret(40) };
    },
    "PATCH /keys/:id": ({ id, body, actor }) => {
      keys = keys.map((one) => (one.access_key === id ? { ...one, ...body } : one));
      note("key.change", id, actor);
      return keys.find((one) => one.access_key === id);
    },
    "DELETE /keys/:id": ({ id }) => ((keys = keys.filter((one) => one.access_key !== id)), {}),
  };
}
