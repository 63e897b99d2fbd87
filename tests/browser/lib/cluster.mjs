// The cluster as its API tells it: which node of the map is which number of HOLDFAST_URLS, where disks are.

import { randomBytes } from "node:crypto";
import { ok, until } from "./expect.mjs";
import { log } from "./log.mjs";

/**
 * The ids of the nodes in the map, by their number here; [0] is not used.
 * @param {import("./journey.mjs").Journey} journey
 * @param {import("./person.mjs").Person} somebody
 * @returns {Promise<number[]>}
 */
export async function nodeIds(journey, somebody) {
  const { nodes } = await somebody.get("/topology");
  return [
    0,
    ...journey.urls.map((url) => {
      const found = nodes.find((/** @type {any} */ node) => url.endsWith(`//${node.admin_address}`));
      ok(found, `no node has the admin address ${url}: ${nodes.map((/** @type {any} */ node) => node.admin_address)}`);
      return found.id;
    }),
  ];
}

/** Puts bytes into a new bucket that no two chunks share. @param {import("./journey.mjs").Journey} journey @param {string} bucket @param {number} files @param {number} bytes */
export async function fill(journey, bucket, files, bytes) {
  await journey.owner.cli("mkdir", `/${bucket}`);
  for (let number = 0; number < files; number++) {
    const name = `${bucket}-${number}`;
    const at = journey.file(name, randomBytes(bytes));
    await journey.owner.cli("--quiet", "put", at, `hf:/${bucket}/${name}`);
  }
  log(`${files} files of ${bytes} bytes are in ${bucket}`);
}

/** How much lies in each group is counted now and then, not at once. @param {import("./person.mjs").Person} somebody @param {number} disk @param {number} least @returns {Promise<any>} */
export const counted = (somebody, disk, least) =>
  until(`disk ${disk} to be counted`, 90_000, async () => {
    const { status, body } = await somebody.call("POST", `/disks/${disk}/drain`, { preview: true });
    ok(status === 200, `preview of a drain: ${status} ${JSON.stringify(body)}`);
    return body.bytes >= least ? body : null;
  });
