// Files, uploads, links and the trash of the mock. SLOW=1 makes uploads take their time.

import { log } from "./cluster.mjs";
import { bytesOf, content, encode, makeFiles, split } from "./files.mjs";

const PART = 8 * 2 ** 20;
const refuse = (status, code, message = code, params = {}) => ({ refused: { status, code, message, params } });
const iso = (ms) => new Date(ms).toISOString();
const slow = () => (process.env.SLOW ? new Promise((done) => setTimeout(done, 900)) : null);

/** The path of a request, with the bytes that it has. */
function asked(message) {
  const found = /[?&]path=([^&]*)/.exec(message.url);
  return found ? split(found[1].replace(/\+/g, "%20").replace(/%2F/gi, "/")) : [];
}

export default function routes(cluster) {
  const files = makeFiles(cluster);
  const uploads = new Map();
  const shares = new Map();
  let trash = [];
  let last = 0;
  const note = (action, parts, actor) => {
    const above = files.find(parts.slice(0, -1));
    if (above) above.modified = Date.now();
    log(cluster, "change", action, `/${parts.join("/")}`, actor);
  };
  const buffer = (body) => (Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body)));

  function keepsFor(parts) {
    for (let length = parts.length; length > 0; length--) {
      const set = files.find(parts.slice(0, length))?.trash;
      if (set !== null && set !== undefined) return set;
    }
    return 86_400;
  }
  function bury(parts, node, way) {
    if (node.kind === "directory") {
      for (const [name, child] of node.children) bury([...parts, name], child, way);
      return;
    }
    const keeps = keepsFor(parts);
    if (keeps > 0 && node.size > 0) trash.unshift({ ino: node.ino, index: ++last, parts, node, deleted: Date.now(), way, keeps });
  }
  /** Makes what is missing on the way. */
  function place(parts) {
    let at = files.root;
    for (const part of parts) {
      if (!at.children.has(part)) files.put(at, part, files.dir({ class: at.class }));
      at = at.children.get(part);
    }
    return at;
  }
  function write(parts, body, type, overwrite) {
    if (!files.root.children.has(parts[0])) return refuse(404, "not_found", `there is no bucket ${parts[0]}`);
    const where = place(parts.slice(0, -1));
    const old = where.children.get(parts.at(-1));
    if (old && !overwrite) return refuse(409, "exists", "there is something of that name already");
    if (old) bury(parts, old, "overwritten");
    const node = files.file(bytesOf(parts.at(-1)).toString(), body.length, { body, modified: Date.now(), class: where.class });
    if (type && type !== "application/octet-stream") node.type = type;
    files.put(where, parts.at(-1), node);
    return files.entry(parts, node);
  }
  const usage = (node) => (node.kind === "file" ? [node.size, 1] : [...(node.children?.values() ?? [])].map(usage).reduce(([a, b], [c, d]) => [a + c, b + d], [0, 1]));

  if (!cluster.empty) {
    const old = ["media", "photos"];
    for (let at = 0; at < 60; at++) {
      const node = files.file("a.jpg", 120_000 + at * 811, { body: null });
      trash.push({ ino: node.ino, index: ++last, parts: [...old, at === 3 ? "IMG_4201.jpg" : `IMG_${4100 + at}.jpg`], node, deleted: Date.now() - at * 1_300_000, way: ["deleted", "unlinked", "overwritten", "renamedover", "restoredover"][at % 5], keeps: 86_400, open: at === 2 });
    }
    shares.set("s1", { id: "s1", path: "/media/photos/harbour%20at%20dawn.png", created_by: "operator", created: iso(Date.now() - 2 * 86_400_000), expires: iso(Date.now() + 5 * 86_400_000) });
    shares.set("s2", { id: "s2", path: "/media/press-kit.pdf", created_by: "admin", created: iso(Date.now() - 40 * 86_400_000), expires: iso(Date.now() - 10 * 86_400_000) });
  }

  return {
    "GET /files": ({ message, query }) => {
      const parts = asked(message);
      const node = files.find(parts);
      if (!node) return null;
      if (node.kind !== "directory") return refuse(409, "not_a_directory");
      const prefix = Buffer.from(query.get("prefix") ?? "");
      const most = Number(query.get("limit") ?? 100);
      let all = files.names(node);
      if (prefix.length > 0) all = all.filter((name) => bytesOf(name).subarray(0, prefix.length).equals(prefix));
      const after = query.get("after");
      const start = after ? all.indexOf(Buffer.from(after, "base64url").toString()) + 1 : 0;
      const some = all.slice(start, start + most);
      const items = some.map((name) => files.entry([...parts, name], node.children.get(name)));
      return { items, next: start + most < all.length ? Buffer.from(some.at(-1)).toString("base64url") : null, directory: files.entry(parts, node) };
    },
    "GET /files/stat": ({ message }) => {
      const parts = asked(message);
      const node = files.find(parts);
      if (!node) return null;
      let quota = null;
      for (let length = parts.length; length > 0 && !quota; length--) {
        const at = files.find(parts.slice(0, length));
        if (!at.quota) continue;
        const [bytes, count] = usage(at);
        quota = { path_is_root: length === parts.length, ...at.quota, used_bytes: bytes, used_files: count, counting: false };
      }
      return { ...files.entry(parts, node), class_name: ["", "standard", "ec42", "single"][node.class], quota, trash_seconds: node.trash ?? null, converting: Boolean(node.converting) };
    },
    "GET /files/content": ({ message, query, response }) => {
      const parts = asked(message);
      const node = files.find(parts);
      if (node?.kind !== "file") return null;
      content(node, 0, Math.min(16, node.size));
      const wanted = /bytes=(\d*)-(\d*)/.exec(message.headers.range ?? "");
      const from = wanted ? Number(wanted[1] || 0) : 0;
      const to = Math.min(wanted?.[2] ? Number(wanted[2]) + 1 : from + (wanted ? 2 ** 20 : node.size), node.size);
      const headers = { "content-type": node.type, "accept-ranges": "bytes", "content-length": to - from, etag: `"${node.etag}"`, "content-security-policy": "sandbox; default-src 'none'", "x-content-type-options": "nosniff" };
      headers["content-disposition"] = `${query.get("disposition") ?? "attachment"}; filename*=UTF-8''${parts.at(-1)}`;
      if (wanted) headers["content-range"] = `bytes ${from}-${to - 1}/${node.size}`;
      response.writeHead(wanted ? 206 : 200, headers);
      response.end(content(node, from, Math.min(to, from + 64 * 2 ** 20)));
    },
    "PUT /files/content": async ({ message, query, body, actor }) => {
      await slow();
      const parts = asked(message);
      const made = write(parts, buffer(body), message.headers["content-type"], query.get("overwrite") === "true");
      if (!made.refused) note("file.put", parts, actor);
      return made;
    },
    "POST /uploads": ({ body }) => {
      const id = `u${++last}`;
      uploads.set(id, { id, path: body.path, size: body.size, type: body.content_type, part_bytes: PART, parts: new Map() });
      return { id, part_bytes: PART };
    },
    "GET /uploads/:id": ({ id }) => {
      const one = uploads.get(id);
      return one && { id, path: one.path, size: one.size, part_bytes: PART, parts: [...one.parts.keys()].sort((a, b) => a - b) };
    },
    "PUT /uploads/:id/parts/:n": async ({ id, n, body }) => {
      await slow();
      const one = uploads.get(id);
      if (!one) return null;
      one.parts.set(Number(n), buffer(body));
      return {};
    },
    "POST /uploads/:id/complete": ({ id, body, actor }) => {
      const one = uploads.get(id);
      if (!one) return null;
      const whole = Buffer.concat([...one.parts].sort((a, b) => a[0] - b[0]).map(([, part]) => part));
      if (whole.length !== one.size) return refuse(400, "invalid_argument", `parts are missing: ${whole.length} of ${one.size} bytes`);
      const made = write(split(one.path), whole, one.type, body.overwrite);
      if (made.refused) return made;
      uploads.delete(id);
      note("file.put", split(one.path), actor);
      return made;
    },
    "DELETE /uploads/:id": ({ id }) => (uploads.delete(id), {}),
    "POST /files/directory": ({ body, actor }) => {
      const parts = split(body.path);
      if (files.find(parts)) return refuse(409, "exists", "there is something of that name already");
      place(parts);
      note("directory.create", parts, actor);
      return {};
    },
    "POST /files/move": ({ body, actor }) => {
      const [from, to] = [split(body.from), split(body.to)];
      const node = files.find(from);
      if (!node) return null;
      if (files.find(to)) return refuse(409, "exists", "there is something of that name already");
      const where = files.find(to.slice(0, -1));
      if (!where) return refuse(404, "not_found", `there is no directory /${to.slice(0, -1).join("/")}`);
      files.find(from.slice(0, -1)).children.delete(from.at(-1));
      files.put(where, to.at(-1), node);
      note("file.move", from, actor);
      return {};
    },
    "DELETE /files": ({ message, query, actor }) => {
      const parts = asked(message);
      const node = files.find(parts);
      if (!node) return null;
      if (node.children?.size > 0 && query.get("recursive") !== "true") return refuse(409, "not_empty", "the directory is not empty");
      bury(parts, node, "deleted");
      files.find(parts.slice(0, -1)).children.delete(parts.at(-1));
      note("file.delete", parts, actor);
      return {};
    },
    "POST /buckets": ({ body, actor }) => {
      const name = encode(Buffer.from(body.name));
      if (files.root.children.has(name)) return refuse(409, "exists", `there is a bucket ${body.name} already`);
      files.put(files.root, name, files.dir({ modified: Date.now() }));
      cluster.empty = false;
      note("bucket.create", [name], actor);
      return {};
    },
    "DELETE /buckets/:name": ({ name, actor }) => {
      const key = encode(Buffer.from(name));
      const node = files.root.children.get(key);
      if (!node) return null;
      if (node.children.size > 0) return refuse(409, "not_empty", "the bucket is not empty");
      files.root.children.delete(key);
      note("bucket.delete", [key], actor);
      return {};
    },
    "PUT /files/class": ({ body }) => {
      const node = files.find(split(body.path));
      if (!node) return null;
      node.class = body.class;
      node.converting = true;
      setTimeout(() => (node.converting = false), 20_000).unref();
      return {};
    },
    "PUT /files/quota": ({ body }) => {
      const node = files.find(split(body.path));
      if (!node) return null;
      node.quota = body.bytes || body.files ? { bytes: body.bytes, files: body.files } : null;
      return {};
    },
    "PUT /files/trash-time": ({ body }) => {
      const node = files.find(split(body.path));
      if (!node) return null;
      node.trash = body.seconds;
      return {};
    },
    "POST /shares": ({ body, actor }) => {
      const id = `s${++last}`;
      const one = { id, path: `/${split(body.path).join("/")}`, created_by: actor.name, created: iso(Date.now()), expires: iso(Date.now() + body.expires_in_seconds * 1000) };
      shares.set(id, one);
      return { ...one, expired: false, url: `/s/${Buffer.from(id + "kD92mQx7Lw0f3bZ1").toString("base64url")}` };
    },
    "GET /shares": () => ({ items: [...shares.values()].map((one) => ({ ...one, expired: Date.parse(one.expires) < Date.now() })), next: null }),
    "DELETE /shares/:id": ({ id }) => (shares.delete(id), {}),
    "GET /trash": ({ message, query }) => {
      const parts = asked(message);
      const start = Number(query.get("after") ?? 0);
      const most = Number(query.get("limit") ?? 100);
      const all = trash.filter((one) => parts.every((part, at) => one.parts[at] === part)).sort((a, b) => (a.parts.join("/") < b.parts.join("/") ? -1 : 1));
      const items = all.slice(start, start + most).map((one) => ({ ino: one.ino, index: one.index, path: `/${one.parts.join("/")}`, deleted: iso(one.deleted), way: one.way, size: one.node.size, keeps_seconds: Math.max(0, one.keeps - (Date.now() - one.deleted) / 1000), open: Boolean(one.open) }));
      return { items, next: start + most < all.length ? String(start + most) : null };
    },
    "POST /trash/restore": ({ body }) => {
      const failed = [];
      let restored = 0;
      for (const { ino, index } of body.items) {
        const one = trash.find((item) => item.ino === ino && item.index === index);
        if (!one) {
          failed.push({ ino, code: "not_found", message: "it is no longer in the trash" });
          continue;
        }
        const to = body.to ? (body.items.length === 1 ? split(body.to) : [...split(body.to), one.parts.at(-1)]) : one.parts;
        const where = place(to.slice(0, -1));
        const old = where.children.get(to.at(-1));
        if (old && !body.overwrite) {
          failed.push({ ino, code: "exists", message: "there is something of that name already" });
          continue;
        }
        if (old) bury(to, old, "restoredover");
        files.put(where, to.at(-1), one.node);
        trash = trash.filter((item) => item !== one);
        restored += 1;
      }
      return { restored, failed };
    },
    "POST /trash/delete": ({ body }) => {
      trash = trash.filter((one) => !body.items.some((item) => item.ino === one.ino && item.index === one.index));
      return {};
    },
    "GET /classes": () => ({
      items: [
        { id: 1, name: "standard", kind: "replicated", copies: 3, min_copies: 2, domain: "host", is_default: true, groups: 360, bytes: 41 * 2 ** 40, overhead: 3, tolerates: 2 },
        { id: 2, name: "ec42", kind: "erasure", data: 4, parity: 2, domain: "host", is_default: false, groups: 120, bytes: 9 * 2 ** 40, overhead: 1.5, tolerates: 2 },
        { id: 3, name: "single", kind: "replicated", copies: 1, min_copies: 1, domain: "disk", is_default: false, groups: 8, bytes: 2 ** 30, overhead: 1, tolerates: 0 },
      ],
    }),
    "GET /settings": () => ({ items: [{ name: "trash_seconds", value: "86400", default: "86400", kind: "number", least: 0, most: 315_360_000, meaning: "", group: "trash", unit: "seconds" }] }),
  };
}
