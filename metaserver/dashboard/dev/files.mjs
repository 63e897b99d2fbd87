// The files of the mock: a tree in memory. Names are kept percent-encoded, so that any bytes may stand in them; content
// is made from a name and a size when it is asked for, unless it was uploaded.

import { deflateSync } from "node:zlib";

const KIB = 1024;
const MIB = KIB * 1024;
const DAY = 86_400_000;

export const encode = (bytes) =>
  [...bytes].map((byte) => (/[A-Za-z0-9._~!'()*-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)).join("");
export const bytesOf = (encoded) =>
  Buffer.concat([...encoded.matchAll(/%([0-9A-Fa-f]{2})|[^%]+|%/g)].map((found) => (found[1] ? Buffer.from([parseInt(found[1], 16)]) : Buffer.from(found[0]))));
const canonical = (text) => encode(bytesOf(text));
/** "/bucket/dir/name" in any form of writing to its names. */
export const split = (text) => text.split("/").filter((part, at) => at > 0 && part !== "").map(canonical);
const order = (a, b) => Buffer.compare(bytesOf(a), bytesOf(b));

const TYPES = { png: "image/png", jpg: "image/png", svg: "image/svg+xml", wav: "audio/wav", mp4: "video/mp4", txt: "text/plain", log: "text/plain", md: "text/markdown", json: "application/json", yaml: "text/yaml", csv: "text/csv", rs: "text/x-rust", pdf: "application/pdf", zip: "application/zip", html: "text/html", parquet: "application/vnd.apache.parquet" };
const previewOf = (type) => {
  if (type === "application/pdf") return "pdf";
  if (/^(image|video|audio)\//.test(type)) return type.split("/")[0];
  return /^text\/|json/.test(type) ? "text" : null;
};

export function makeFiles(cluster) {
  const random = cluster.random;
  let inode = 1000;
  const dir = (more = {}) => ({ kind: "directory", children: new Map(), modified: Date.now() - random.whole(1, 90) * DAY, ino: ++inode, version: 1, class: 1, mode: 0o755, uid: 0, gid: 0, size: 0, quota: null, trash: null, metadata: {}, ...more });
  const file = (name, size, more = {}) => {
    const type = TYPES[/\.(\w+)$/.exec(name)?.[1]] ?? "application/octet-stream";
    return { kind: "file", size, modified: Date.now() - random.between(0, 200) * DAY, ino: ++inode, version: random.whole(1, 9), class: 1, mode: 0o644, uid: 1000, gid: 1000, type, etag: random.whole(2 ** 30, 2 ** 31).toString(16).padStart(32, "4f9a"), metadata: {}, ...more };
  };
  const root = dir();
  const put = (where, name, node) => (where.children.set(encode(Buffer.from(name)), node), node);
  if (!cluster.empty) fill(root, { dir, file, put, random });

  const find = (parts) => parts.reduce((at, part) => at?.children?.get(part), root);
  const sorted = new WeakMap();
  const names = (node) => {
    let all = sorted.get(node);
    if (!all || all.length !== node.children.size) {
      all = [...node.children.keys()].sort(order);
      sorted.set(node, all);
    }
    return all;
  };
  const entry = (parts, node) => ({
    name: parts.length === 0 ? "/" : bytesOf(parts.at(-1)).toString("utf8"),
    path: `/${parts.join("/")}`,
    kind: node.kind,
    size: node.size,
    modified: new Date(node.modified).toISOString(),
    ino: node.ino,
    version: node.version,
    content_type: node.kind === "file" ? node.type : "",
    etag: node.etag ?? "",
    class: node.class,
    mode: node.mode,
    uid: node.uid,
    gid: node.gid,
    bucket: parts.length === 1,
    metadata: node.metadata,
    preview: node.kind === "file" ? previewOf(node.type) : null,
  });
  return { root, find, names, entry, dir, file, put: (where, part, node) => where.children.set(part, node) };
}

function fill(root, { dir, file, put, random }) {
  const media = put(root, "media", dir());
  const photos = put(media, "photos", dir({ quota: { bytes: 80 * 2 ** 30, files: 0 } }));
  put(photos, "harbour at dawn.png", file("a.png", 190 * KIB, { metadata: { camera: "X100V", iso: "400", place: "Lisbon" } }));
  put(photos, "diagram.svg", file("a.svg", 900));
  for (let at = 1; at <= 34; at++) put(photos, `IMG_${String(4200 + at)}.jpg`, file("a.jpg", random.whole(80, 260) * KIB));
  put(media, "interview.wav", file("a.wav", 2 * MIB));
  put(media, "launch-video.mp4", file("a.mp4", 748 * MIB));
  put(media, "press-kit.pdf", file("a.pdf", 4_812_331));
  put(media, "notes.md", file("a.md", 6_120));
  put(media, "season-archive.zip", file("a.zip", 41 * 2 ** 30, { class: 2 }));
  put(media, "drafts", dir());
  put(media, "latest", { ...file("x", 22), kind: "symlink" });
  const backups = put(root, "backups", dir({ class: 2, trash: 7 * 86_400 }));
  for (let at = 0; at < 40; at++) {
    const day = new Date(Date.now() - at * DAY).toISOString().slice(0, 10);
    const one = put(backups, day, dir({ class: 2 }));
    put(one, "postgres.tar.zst", file("a.zst", random.whole(8, 14) * 2 ** 30, { class: 2 }));
    put(one, "manifest.json", file("a.json", 4_100));
  }
  const logs = put(root, "logs", dir({ trash: 0 }));
  const app = put(logs, "app", dir());
  for (let at = 0; at < 60_000; at++) app.children.set(`events-${String(at).padStart(6, "0")}.log`, file("a.log", 1_000 + ((at * 7919) % 900_000)));
  put(logs, "access.log", file("a.log", 83 * MIB));
  put(root, "empty-bucket", dir());
  const odd = put(root, "odd-names", dir());
  for (const name of [
    "<img src=x onerror=alert(1)>.txt",
    "invoice\u202Efdp.exe",
    "tab\there and\nline break.txt",
    "\u001b[31mred\u001b[0m.log",
    "zero\u200Bwidth\u200Dname.txt",
    "100% sure, really & truly #1?.txt",
    "%2e%2e%2fetc%2fpasswd",
    `${"long-name-".repeat(100)}end.bin`,
    "كشف الحساب ٢٠٢٦.pdf",
    "報告書（最終版）.md",
    "👩‍👩‍👧 family.png",
    "   ",
  ]) put(odd, name, file(name, 2_000, { metadata: { "<b>owner</b>": "a\u202Eb\u0007", note: "x".repeat(600) } }));
  odd.children.set("caf%E9%FF.txt", file("a.txt", 812));
  put(put(odd, "dir\nwith %2F and , comma", dir()), "inside.txt", file("a.txt", 20));
}

/** A picture that differs by its seed. */
function png(seed) {
  const width = 640;
  const height = 400;
  const rows = Buffer.alloc((width * 3 + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * (width * 3 + 1) + 1 + x * 3;
      const wave = Math.sin((x + seed * 37) / 70) * 30 + Math.sin(x / 23 + seed) * 9 + 250;
      const sea = y > wave;
      rows[at] = sea ? 24 + y / 8 : 250 - y / 3;
      rows[at + 1] = sea ? 70 + y / 6 : 170 - y / 5 + (seed % 5) * 8;
      rows[at + 2] = sea ? 110 + (y % 40) : 120 + y / 4;
    }
  }
  const chunk = (name, body) => {
    const all = Buffer.concat([Buffer.from(name), body]);
    const out = Buffer.alloc(all.length + 8);
    out.writeUInt32BE(body.length, 0);
    all.copy(out, 4);
    out.writeUInt32BE(crc(all), all.length + 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}
function crc(bytes) {
  let c = ~0;
  for (const byte of bytes) {
    c ^= byte;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  }
  return ~c >>> 0;
}

const LINE = "2026-11-23T08:14:07.331Z INFO  gateway: PutObject media/photos/IMG_4201.jpg 200 182044 B in 14 ms request=01JD3W\n";

/** Bytes [from, to) of a file. */
export function content(node, from, to) {
  if (node.body) return node.body.subarray(from, to);
  if (node.type === "image/png") node.body = png(node.ino);
  if (node.type === "image/svg+xml") node.body = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 160"><rect width="300" height="160" fill="#eef"/><circle cx="90" cy="80" r="48" fill="#2a55d0"/><rect x="160" y="34" width="96" height="92" rx="14" fill="#0d7d74"/></svg>');
  if (node.type === "text/html") node.body = Buffer.from("<h1>hello</h1><script>alert(1)</script>\n");
  if (node.body) {
    node.size = node.body.length;
    return node.body.subarray(from, to);
  }
  const out = Buffer.alloc(to - from);
  if (node.type === "audio/wav") {
    for (let at = from; at < to; at++) out[at - from] = at < 44 ? 0 : 128 + Math.round(50 * Math.sin((at / 8000) * 2 * Math.PI * (330 + 110 * (Math.floor(at / 8000) % 4))));
    const head = Buffer.from("RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\0\0\0", "latin1");
    head.writeUInt32LE(node.size - 8, 4);
    head.writeUInt32LE(node.size - 44, 40);
    if (from < 44) head.subarray(from, Math.min(44, to)).copy(out);
    return out;
  }
  if (/^text|json/.test(node.type)) {
    for (let at = from; at < to; at++) out[at - from] = LINE.charCodeAt(at % LINE.length);
  }
  return out;
}
