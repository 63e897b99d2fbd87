// A server for looking at the dashboard without a cluster: dist/ and enough of the admin API.
//
//   npm run build && npm run mock            http://127.0.0.1:4300   (PORT=… elsewhere)
//   BIG=1       100 nodes, 1,000 disks, 50,000 groups
//   EMPTY=1     one node, nothing stored yet
//   CALM=1      nothing is wrong
//   LEADERLESS=1  no leader answers
//   FAST=1      drains end at once
//   NOSSE=1     no live connection: the dashboard polls
//   SLOW=1      uploads take their time
//
// Accounts: admin, operator, viewer, fresh (must change its password); the password is always "holdfast-demo".

import { createServer } from "node:http";
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { makeCluster, tick } from "./cluster.mjs";
import { overview, topologyLoad } from "./views.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.resolve(here, process.env.DIST ?? "../dist");
const { env } = process;
const cluster = makeCluster({ big: Boolean(env.BIG), empty: Boolean(env.EMPTY), calm: Boolean(env.CALM) });
const options = { leaderless: Boolean(env.LEADERLESS) };
tick(cluster);

const routes = {};
/** Live topics beyond overview and topology: name → what is sent each second, undefined for nothing. */
const topics = { overview: () => overview(cluster, options), topology: () => topologyLoad(cluster) };
for (const name of (await readdir(here)).filter((file) => /^routes.*\.mjs$/.test(file))) {
  const part = await import(pathToFileURL(path.join(here, name)).href);
  Object.assign(routes, part.default(cluster, options));
  Object.assign(topics, part.topics?.(cluster, options));
}
const table = Object.entries(routes).map(([spec, handler]) => {
  const [method, pattern] = spec.split(" ");
  const names = [...pattern.matchAll(/:(\w+)/g)].map((found) => found[1]);
  return { method, names, form: new RegExp(`^${pattern.replace(/:\w+/g, "([^/]+)")}$`), handler };
});

const ACCOUNTS = { admin: "admin", operator: "operator", viewer: "viewer", fresh: "admin" };
const sessions = new Map();
const streams = new Set();
let request = 0;

const me = (account) => ({
  account,
  role: ACCOUNTS[account],
  via: "session",
  csrf: "mock-csrf",
  must_change_password: account === "fresh",
  expires_at: new Date(Date.now() + 8 * 3_600_000).toISOString(),
  cluster: cluster.name,
  version: cluster.version,
});

const fail = (response, status, code, message = code, params = {}) =>
  answer(response, status, { error: { code, message, params, retry: status >= 500 ? "later" : "never", request_id: `mock-${++request}` } });

function answer(response, status, body, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store", ...headers });
  response.end(body === undefined ? "" : JSON.stringify(body));
}

async function bodyOf(message) {
  const pieces = [];
  for await (const piece of message) pieces.push(piece);
  const raw = Buffer.concat(pieces);
  if (!(message.headers["content-type"] ?? "").includes("json")) return raw;
  return raw.length > 0 ? JSON.parse(raw.toString()) : {};
}

function stream(message, response, query) {
  if (env.NOSSE) return fail(response, 404, "not_found");
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const mine = { response, wanted: new Set((query.get("topics") ?? "").split(",")) };
  streams.add(mine);
  response.write(": hello\n\n");
  message.on("close", () => streams.delete(mine));
}

async function api(message, response, url) {
  const at = decodeURI(url.pathname.slice("/api/v1".length));
  const body = message.method === "GET" ? {} : await bodyOf(message);
  if (at === "/auth/login") {
    if (!Object.hasOwn(ACCOUNTS, body.account) || body.password !== "holdfast-demo") return fail(response, 401, "wrong_password");
    const id = Math.random().toString(36).slice(2);
    sessions.set(id, body.account);
    return answer(response, 200, me(body.account), { "set-cookie": `holdfast_session=${id}; HttpOnly; SameSite=Strict; Path=/` });
  }
  const cookie = /holdfast_session=(\w+)/.exec(message.headers.cookie ?? "")?.[1];
  const account = sessions.get(cookie);
  if (!account) return fail(response, 401, "unauthenticated");
  if (at === "/auth/me") return answer(response, 200, me(account));
  if (at === "/auth/logout") {
    sessions.delete(cookie);
    return answer(response, 204);
  }
  if (at === "/auth/password") return body.old_password === "holdfast-demo" ? answer(response, 204) : fail(response, 401, "wrong_password");
  if (at === "/events") return stream(message, response, url.searchParams);
  if (message.method !== "GET") {
    if (message.headers["x-holdfast-csrf"] !== "mock-csrf") return fail(response, 403, "csrf");
    if (ACCOUNTS[account] === "viewer") return fail(response, 403, "forbidden");
  }
  for (const { method, names, form, handler } of table) {
    const found = method === message.method && form.exec(at);
    if (!found) continue;
    const parts = Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(found[index + 1])]));
    const actor = { kind: "account", name: account, from: "127.0.0.1" };
    const made = await handler({ ...parts, query: url.searchParams, body, actor, message, response });
    if (response.headersSent) return undefined;
    if (made === undefined || made === null) return fail(response, 404, "not_found");
    if (made.refused) return fail(response, made.refused.status ?? 412, made.refused.code, made.refused.message, made.refused.params);
    return answer(response, 200, made);
  }
  return fail(response, 404, "not_found", `the mock has no ${message.method} ${at}`);
}

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".map": "application/json" };
const CSP = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; script-src 'self'; frame-ancestors 'none'";

async function page(response, pathname) {
  let file = path.join(dist, path.normalize(pathname));
  const isFile = file.startsWith(dist) && (await stat(file).catch(() => null))?.isFile();
  if (!isFile && pathname.startsWith("/assets/")) return fail(response, 404, "not_found");
  if (!isFile) file = path.join(dist, "index.html");
  response.writeHead(200, { "content-type": TYPES[path.extname(file)] ?? "application/octet-stream", "content-security-policy": CSP });
  response.end(await readFile(file));
}

setInterval(() => {
  tick(cluster);
  const made = new Map();
  for (const { response, wanted } of streams) {
    for (const topic of wanted) {
      const make = topics[topic];
      if (!make) continue;
      if (!made.has(topic)) made.set(topic, make());
      const data = made.get(topic);
      if (data !== undefined) response.write(`event: ${topic}\ndata: ${JSON.stringify(data)}\n\n`);
    }
  }
}, 1_000).unref();
setInterval(() => {
  for (const { response } of streams) response.write(": still here\n\n");
}, 15_000).unref();

const port = Number(env.PORT ?? 4300);
createServer((message, response) => {
  const url = new URL(message.url, "http://mock");
  const work = url.pathname.startsWith("/api/v1/") ? api(message, response, url) : page(response, url.pathname);
  work.catch((cause) => {
    console.error(cause);
    if (!response.headersSent) fail(response, 500, "internal", String(cause));
  });
}).listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}`));
