// What automatic rules know about accessibility.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { ok } from "./expect.mjs";
import { log } from "./log.mjs";

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The rules that are broken on the page as it is now. @param {import("playwright-core").Page} page @param {string} where */
export async function barriers(page, where) {
  // Evaluated by the browser itself: the page's policy lets no script of ours in, and must not.
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(source);
  const broken = await page.evaluate(async () => {
    const axe = /** @type {any} */ (window).axe;
    const found = await axe.run(document, {
      resultTypes: ["violations"],
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    return found.violations.map((/** @type {any} */ one) => ({
      id: one.id,
      help: one.help,
      nodes: one.nodes.slice(0, 4).map((/** @type {any} */ node) => `${node.target.join(" ")}: ${node.failureSummary.replace(/\s+/g, " ")}`),
      count: one.nodes.length,
    }));
  });
  for (const one of broken) {
    log(`axe on ${where}: ${one.id} (${one.count}): ${one.help}`);
    for (const node of one.nodes) log(`    ${node.slice(0, 400)}`);
  }
  return broken.map((/** @type {any} */ one) => `${where}: ${one.id}`);
}

/** Fails when there is one. @param {import("playwright-core").Page} page @param {string} where */
export async function accessible(page, where) {
  const broken = await barriers(page, where);
  ok(broken.length === 0, `not accessible: ${broken.join("; ")}`);
}
