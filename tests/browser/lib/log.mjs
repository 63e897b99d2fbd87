// For people, on standard error: standard output belongs to the owner of the cluster.

const begun = Date.now();

/** @param {string} line */
export function log(line) {
  process.stderr.write(`${((Date.now() - begun) / 1000).toFixed(1).padStart(6)} ${line}\n`);
}
