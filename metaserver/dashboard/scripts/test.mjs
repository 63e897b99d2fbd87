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

// What browsers have and Node 18 has not as a global.
const banner = `import { createRequire as __cr } from "node:module"; import { webcrypto as __wc } from "node:crypto";
const require = __cr(import.meta.url); globalThis.crypto ??= __wc;`;

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
  banner: { js: banner },
});
const built = entryPoints.map((file) =>
  path.join(out, path.relative(path.join(root, "src"), file).replace(/\.tsx?$/, ".mjs")),
);
const run = spawnSync(process.execPath, ["--test", ...built], { stdio: "inherit", cwd: root });
process.exit(run.status ?? 1);
