// Bundles every src/**/*.test.ts(x) and runs it with `node --test` (Node 18 does not read TypeScript).

import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { common } from "./options.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const out = path.join(root, ".test-out");

async function tests(dir) {
  const found = [];
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const at = path.join(dir, entry.name);
    if (entry.isDirectory()) found.push(...(await tests(at)));
    else if (/\.test\.tsx?$/.test(entry.name)) found.push(at);
  }
  return found;
}

await rm(out, { recursive: true, force: true });
const entryPoints = await tests(path.join(root, "src"));
await build({
  ...common,
  entryPoints,
  outdir: out,
  outbase: path.join(root, "src"),
  outExtension: { ".js": ".mjs" },
  platform: "node",
  target: "node18",
  define: { "process.env.NODE_ENV": '"test"' },
  banner: { js: 'import { createRequire as __cr } from "node:module"; const require = __cr(import.meta.url);' },
});
const built = entryPoints.map((file) =>
  path.join(out, path.relative(path.join(root, "src"), file).replace(/\.tsx?$/, ".mjs")),
);
const run = spawnSync(process.execPath, ["--test", ...built], { stdio: "inherit", cwd: root });
process.exit(run.status ?? 1);
