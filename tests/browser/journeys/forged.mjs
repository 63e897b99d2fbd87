// Somebody changes the journal in the store of one node: the dashboard says on which node, and which entry.

import { accessible } from "../lib/axe.mjs";
import { nodeIds } from "../lib/cluster.mjs";
import { ok, pause, same, seen, until } from "../lib/expect.mjs";
import { ready } from "../lib/person.mjs";
import { verify } from "./audit.mjs";

/** @param {import("../lib/journey.mjs").Journey} journey */
export default async function forged(journey) {
  const somebody = await journey.person({ at: "/audit" });
  const { page, watch } = somebody;
  const ids = await nodeIds(journey, somebody);
  // Another than the one that serves the page, and than the one that leads.
  const victim = (await somebody.get("/overview")).meta.leader === ids[2] ? 3 : 2;
  const bucket = "to-be-forged";
  const made = await somebody.call("POST", "/buckets", { name: bucket });
  ok(made.status < 300, `make a bucket: ${JSON.stringify(made)}`);
  const { items } = await somebody.get(`/audit?action=bucket.create&target=${bucket}`);
  ok(items.length === 1, `entries of it: ${JSON.stringify(items)}`);
  const { seq } = items[0];
  await verify(somebody);
  await seen(page.locator(".audit-verdict .note", { hasText: "The chain is intact" }), "that the chain is intact", 30_000);

  same(await journey.owner.forge(victim, bucket, "to-be-forget"), seq, "the entry that was changed");
  // The node may still be on its way back.
  await until("the chain to be broken", 60_000, async () => {
    await ready(page.getByRole("button", { name: "Verify again" }), "to verify again", 30_000);
    await verify(somebody);
    await pause(1_000);
    return page.locator(".audit-verdict .note", { hasText: "The chain is broken" }).isVisible();
  });
  for (const [number, id] of ids.entries()) {
    if (number === 0) continue;
    const row = page.locator(".audit-members tbody tr").filter({ has: page.getByRole("rowheader", { name: `Node ${id}`, exact: true }) });
    if (number === victim) {
      await seen(row.getByText(/^\d+ problems?$/), `the verdict on node ${id}`);
      await seen(row.getByText(`At no. ${seq.toLocaleString("en-US")}`, { exact: true }), `the entry that was changed on node ${id}`);
    } else {
      await seen(row.getByText("Intact", { exact: true }), `the verdict on node ${id}`);
    }
  }
  await accessible(page, "the verdict");
  watch.clean("the verdict");
}
