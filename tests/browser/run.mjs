// Runs one journey through the dashboard of a cluster: `node run.mjs tour`.
//
// What it is given: HOLDFAST_URLS (admin addresses of the nodes, node 1 first, by commas), HOLDFAST_ACCOUNT and
// HOLDFAST_PASSWORD of an administrator, HOLDFAST_SCRATCH (a directory to write into), HOLDFAST_CHROMIUM (the browser;
// /usr/bin/chromium when not named), HOLDFAST_FAILURES (where pictures of a failure go; in the scratch directory when not
// named). Standard output and input belong to the owner of the cluster, see lib/owner.mjs; the log goes to standard error.
// Exit code 0: passed.

import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Journey } from "./lib/journey.mjs";
import { log } from "./lib/log.mjs";

const [name] = process.argv.slice(2);
if (!name || !/^[a-z-]+$/.test(name)) {
  log("usage: node run.mjs <journey>");
  process.exit(2);
}
/** No journey takes longer. */
const MOST_MS = 420_000;

const file = path.join(path.dirname(fileURLToPath(import.meta.url)), "journeys", `${name}.mjs`);
const { default: walk } = await import(pathToFileURL(file).href);
const journey = await Journey.begin(name);
const begun = Date.now();
/** @type {Error | null} */
let failed = null;
const alarm = new Promise((_, reject) => {
  setTimeout(() => reject(new Error(`not through after ${MOST_MS / 1000} s`)), MOST_MS).unref();
});
try {
  await Promise.race([walk(journey), alarm]);
} catch (cause) {
  failed = cause instanceof Error ? cause : new Error(String(cause));
}
// A picture first: the browser may be what is wrong.
if (failed) await journey.picture();
await journey.end();
if (failed) {
  log(`FAILED ${name}: ${failed.stack ?? failed}`);
  process.exit(1);
}
log(`passed ${name} in ${((Date.now() - begun) / 1000).toFixed(1)} s`);
process.exit(0);
