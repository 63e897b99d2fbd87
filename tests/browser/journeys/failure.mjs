// A node dies: the overview says so by itself, soon, and takes it back when the node returns. First a node that neither
// leads nor serves the page, then the one that leads.

import { accessible } from "../lib/axe.mjs";
import { nodeIds } from "../lib/cluster.mjs";
import { ok, seen, until } from "../lib/expect.mjs";
import { log } from "../lib/log.mjs";

const SOON_MS = 5_000;

/** @param {import("../lib/journey.mjs").Journey} journey */
export default async function failure(journey) {
  const first = await journey.person();
  const ids = await nodeIds(journey, first);
  const leads = async () => ids.indexOf((await first.get("/overview")).meta.leader);
  const leader = await leads();
  ok(leader > 0, "no node leads");
  await first.page.context().close();

  const serves = leader === 1 ? 2 : 1;
  const follower = [1, 2, 3].find((node) => node !== leader && node !== serves) ?? 0;
  const somebody = await journey.person({ node: serves });
  const { page, watch } = somebody;
  await seen(page.getByRole("heading", { name: "Everything is in order" }), "a healthy overview", 60_000);
  await seen(page.locator(".live-indicator.is-live"), "the live connection");
  await page.evaluate(() => Object.assign(window, { untouched: true }));

  for (const [victim, what] of /** @type {const} */ ([[follower, "a follower"], [leader, "the leader"]])) {
    const id = ids[victim];
    await journey.owner.kill(victim);
    const died = performance.now();
    const named = page.locator(".issues .issue", { hasText: `Node ${id} does not answer` });
    await seen(named, `node ${id}, ${what}, named as not answering`, SOON_MS);
    log(`MEASURED ${what} named ${((performance.now() - died) / 1000).toFixed(2)} s after its death`);
    await seen(page.locator(".health.is-warning, .health.is-danger"), "the colour of the overview");
    await seen(page.locator(".topbar-health .topbar-count"), "the count of issues in the top bar");
    await accessible(page, `the overview without ${what}`);
    ok(await page.evaluate(() => "untouched" in window), "the page was loaded anew");
    ok((await page.locator(".live-indicator.is-stale").count()) === 0, "the page lost its own node");

    // The whole picture comes back with a leader, and the link leads to the node.
    await until("a leader", 15_000, async () => (await somebody.get("/overview")).complete);
    await page.locator(".issue", { hasText: `Node ${id} does not answer` }).first().getByRole("link").click();
    await seen(page.getByRole("heading", { name: `Node ${id}`, exact: true }), "the panel of the node");
    await seen(page.locator("aside.panel .status, aside.panel").getByText(/^(Suspect|Down)$/), "its state in the panel");
    await page.goBack();
    await seen(named, "the node, named still");

    await journey.owner.start(victim);
    await seen(page.getByRole("heading", { name: "Everything is in order" }), `the overview in order again after ${what} came back`, 60_000);
    ok((await named.count()) === 0, "the node is named still");
    ok(await page.evaluate(() => "untouched" in window), "the page was loaded anew");
  }
  watch.clean("the overview while nodes die");
}
