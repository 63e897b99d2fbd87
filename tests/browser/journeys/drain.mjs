// A disk is emptied and removed: what would happen is shown first, progress meanwhile, and proof before the end.

import { accessible } from "../lib/axe.mjs";
import { counted, fill } from "../lib/cluster.mjs";
import { ok, seen, until } from "../lib/expect.mjs";
import { ready } from "../lib/person.mjs";

const MIB = 1 << 20;

/** @param {import("../lib/journey.mjs").Journey} journey */
export default async function drain(journey) {
  await fill(journey, "drained", 6, 24 * MIB);
  const somebody = await journey.person({ at: "/topology" });
  const { page, watch } = somebody;
  const { disks } = await somebody.get("/topology");
  const disk = disks.at(-1).id;
  const before = await counted(somebody, disk, 30 * MIB);
  // Slow enough to be looked at.
  await journey.owner.cli("admin", "set", "repair_bytes_per_second", String(8 * MIB));

  await somebody.choose("Disks");
  const row = page.getByRole("grid", { name: "Disks" }).getByRole("row").filter({ hasText: new RegExp(`^Disk ${disk}(?!\\d)`) });
  await row.click();
  const panel = page.locator("aside.panel");
  await seen(panel.getByRole("heading", { name: `Disk ${disk}`, exact: true }), "the panel of the disk");
  ok(new URL(page.url()).pathname === `/topology/disks/${disk}`, `the disk has no address of its own: ${page.url()}`);

  // Looked at, and left.
  await panel.getByRole("button", { name: "Drain", exact: true }).click();
  const facts = somebody.dialog.locator(".preview");
  await seen(facts.getByText("Data to be moved"), "how much would be moved");
  await seen(facts.getByText("Placement groups"), "how many groups it concerns");
  await seen(facts.getByText(String(before.groups), { exact: true }), "the number of groups");
  await seen(facts.getByText("Nothing speaks against it."), "that nothing speaks against it");
  await somebody.confirm("Cancel");
  ok((await somebody.get(`/disks/${disk}`)).standing === "in", "a look began the drain");

  await panel.getByRole("button", { name: "Drain", exact: true }).click();
  await seen(facts.getByText("Data to be moved"), "how much would be moved");
  await accessible(page, "before the drain");
  await somebody.confirm("Drain");
  await somebody.told(`Disk ${disk} is being drained`);
  await seen(panel.getByRole("progressbar", { name: "Drain" }), "its progress");
  await seen(panel.getByText(/of \d+ groups left/), "the groups left");
  await accessible(page, "the drain");
  await somebody.choose("Procedures");
  await seen(page.locator(".procedure", { hasText: `Disk ${disk}` }).getByRole("progressbar"), "its progress among the procedures");
  await page.goBack();
  await somebody.visit("overview");
  await seen(page.getByText(new RegExp(`disk ${disk} on node`)), "the drain among the jobs");
  await page.goto(`/topology/disks/${disk}`);
  await journey.owner.cli("admin", "set", "repair_bytes_per_second", "0");

  const remove = panel.getByRole("button", { name: "Remove", exact: true });
  await ready(remove, "the offer to remove the empty disk", 150_000);
  await remove.click();
  await seen(somebody.dialog.getByText(/records looked at, [\d,]+ proven to lie elsewhere/), "the proof", 60_000);
  const last = somebody.dialog.locator(".dialog-foot").getByRole("button", { name: "Remove", exact: true });
  ok((await last.getAttribute("aria-disabled")) === "true", "removed without a typed word");
  await accessible(page, "before the end");
  await somebody.dialog.getByLabel(/^Type/).fill(String(disk));
  await somebody.confirm("Remove");
  await somebody.told(`Disk ${disk} is removed`);
  await until("the disk to be gone from the map", 20_000, async () => {
    const { disks: now } = await somebody.get("/topology");
    const found = now.find((/** @type {any} */ one) => one.id === disk);
    return !found || found.standing === "removed";
  });
  watch.clean("the drain");
}
