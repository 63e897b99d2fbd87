// Builds dist/: index.html and assets/ with content hashes in their names, each text also as .gz.
// Prints what a first visit and each page cost. `--dev` leaves names readable and does not compress.

import { build } from "esbuild";
import { readdir, readFile, rm, mkdir, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { common } from "./options.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
// OUT: somebody else may be looking at dist/.
const dist = path.resolve(root, process.env.OUT ?? "dist");
const dev = process.argv.includes("--dev");

/** Every style sheet below src/, in the order of the cascade: tokens, base, then by path. */
async function styleSheet() {
  const found = [];
  const walk = async (dir) => {
    for (const entry of await readdir(dir, { withFileTypes: true })) {
      const at = path.join(dir, entry.name);
      if (entry.isDirectory()) await walk(at);
      else if (entry.name.endsWith(".css")) found.push(path.relative(path.join(root, "src"), at));
    }
  };
  await walk(path.join(root, "src"));
  const rank = (file) => {
    if (file.startsWith("styles")) return 0;
    if (file.startsWith("components")) return 1;
    return 2;
  };
  found.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  const lines = ['@import "uplot/dist/uPlot.min.css" layer(vendor);'];
  for (const file of found) lines.push(`@import "./${file.split(path.sep).join("/")}";`);
  return lines.join("\n");
}

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });

const names = { entryNames: "[name]-[hash]", chunkNames: "[name]-[hash]", assetNames: "[name]-[hash]" };
const output = { outdir: path.join(dist, "assets"), metafile: true, minify: !dev, ...names };
const define = { "process.env.NODE_ENV": dev ? '"development"' : '"production"' };
const [app, early, style] = await Promise.all([
  build({
    ...common,
    ...output,
    entryPoints: { app: path.join(root, "src/main.tsx") },
    splitting: true,
    sourcemap: dev ? "linked" : false,
    define,
  }),
  build({
    ...common,
    ...output,
    format: "iife",
    entryPoints: { theme: path.join(root, "src/app/first-paint.ts") },
    define,
  }),
  build({
    ...common,
    ...output,
    stdin: { contents: await styleSheet(), resolveDir: path.join(root, "src"), loader: "css", sourcefile: "app.css" },
    entryNames: "app-[hash]",
  }),
]);

const named = (meta, test) => path.basename(Object.keys(meta.outputs).find(test) ?? "");
const entry = (source) =>
  named(app.metafile, (out) => (app.metafile.outputs[out].entryPoint ?? "").endsWith(source));
const script = entry("src/main.tsx");
const theme = named(early.metafile, (out) => out.endsWith(".js"));
const css = named(style.metafile, (out) => out.endsWith(".css"));

/** Scripts that the first one imports without asking, fetched side by side with it. */
function needed(out, seen = new Set()) {
  if (seen.has(out)) return seen;
  seen.add(out);
  for (const one of app.metafile.outputs[out].imports) {
    if (one.kind === "import-statement") needed(one.path, seen);
  }
  return seen;
}
const outOf = (name) => Object.keys(app.metafile.outputs).find((out) => path.basename(out) === name);
const first = [...needed(outOf(script))].map((out) => path.basename(out));
const preload = first
  .filter((name) => name !== script)
  .map((name) => `<link rel="modulepreload" href="/assets/${name}">`)
  .join("");

const page = (await readFile(path.join(root, "src/index.html"), "utf8"))
  .replace("<!--theme-->", `<script src="/assets/${theme}"></script>`)
  .replace("<!--style-->", `<link rel="stylesheet" href="/assets/${css}">`)
  .replace("<!--script-->", `${preload}<script type="module" src="/assets/${script}"></script>`);
await writeFile(path.join(dist, "index.html"), page);

const sizes = new Map();
for (const dir of ["", "assets"]) {
  for (const name of await readdir(path.join(dist, dir))) {
    if (!/\.(html|js|css|svg|json)$/.test(name)) continue;
    const at = path.join(dist, dir, name);
    const packed = gzipSync(await readFile(at), { level: 9 });
    sizes.set(name, packed.length);
    if (!dev) await writeFile(`${at}.gz`, packed);
  }
}

const kib = (bytes) => `${(bytes / 1024).toFixed(1).padStart(7)} KiB gz`;
const sum = (list) => list.reduce((total, name) => total + (sizes.get(name) ?? 0), 0);
const shell = ["index.html", theme, css, ...first];
console.log(`${kib(sum(shell))}  first load (html ${kib(sum(["index.html"])).trim()}, css ${kib(sum([css])).trim()})`);
for (const [out, about] of Object.entries(app.metafile.outputs)) {
  const from = about.entryPoint ?? "";
  if (!from.includes("src/pages/")) continue;
  const more = [...needed(out)].map((one) => path.basename(one)).filter((name) => !shell.includes(name));
  console.log(`${kib(sum(more))}  ${from.replace(/^.*src\/pages\//, "")}`);
}
const limit = 200 * 1024;
if (!dev && sum(shell) > limit) {
  console.error(`the first load is larger than ${limit / 1024} KiB`);
  process.exit(1);
}
