// What only the owner of the cluster can do: one line of JSON asks for it on standard output, one line of JSON on
// standard input says what came of it: {"ok":true,…} or {"ok":false,"error":"why"}.

import { createInterface } from "node:readline";
import { log } from "./log.mjs";

/** @typedef {{ do: "kill" | "start", node: number } | { do: "cli", args: string[] } | { do: "forge", node: number, was: string, is: string }} Ask */

const lines = createInterface({ input: process.stdin });
/** @type {((line: string) => void)[]} */
const waiting = [];
lines.on("line", (line) => waiting.shift()?.(line));

/**
 * @param {Ask} what
 * @returns {Promise<{ ok: true, stdout?: string, seq?: number }>}
 */
async function ask(what) {
  const words = "args" in what ? what.args.join(" ") : `node ${what.node}`;
  log(`owner: ${what.do} ${words}`);
  const answer = new Promise((resolve) => waiting.push(resolve));
  process.stdout.write(`${JSON.stringify(what)}\n`);
  const { ok, error, ...rest } = JSON.parse(await answer);
  if (!ok) throw new Error(`the owner could not ${what.do} ${words}: ${error}`);
  return { ok, ...rest };
}

/** Nodes count from 1, in the order of HOLDFAST_URLS. */
export const owner = {
  /** kill -9. @param {number} node */
  kill: (node) => ask({ do: "kill", node }),
  /** Starts a node and waits until it is ready. @param {number} node */
  start: (node) => ask({ do: "start", node }),
  /** The command line; fails when it does. Returns what it said. @param {...string} args */
  cli: async (...args) => (await ask({ do: "cli", args })).stdout ?? "",
  /**
   * Changes a text, to one as long, in the first entry of the journal that has it: in one node's own copy, behind the
   * cluster's back. Returns the number of that entry.
   * @param {number} node @param {string} was @param {string} is
   */
  forge: async (node, was, is) => (await ask({ do: "forge", node, was, is })).seq ?? 0,
  done: () => lines.close(),
};
