// The journal shows what was done, by whom, and that it is whole.

import { accessible } from "../lib/axe.mjs";
import { ok, seen, until } from "../lib/expect.mjs";
import { log } from "../lib/log.mjs";

/** @param {import("../lib/journey.mjs").Journey} journey */
export default async function audit(journey) {
  const somebody = await journey.person({ at: "/files" });
  const { page, watch } = somebody;
  const { account } = journey.administrator;
  const bucket = "noted-by-the-journal";
  await page.getByRole("button", { name: "Create bucket" }).first().click();
  await somebody.dialog.getByLabel("Name").fill(bucket);
  await somebody.confirm("Create bucket");
  await somebody.told(`Bucket ${bucket} is created.`);
  await journey.owner.cli("admin", "set", "audit_days", "100");

  await somebody.visit("audit");
  const list = page.getByRole("grid", { name: "Entries" });
  const created = list.getByRole("row").filter({ hasText: `Created bucket ${bucket}` });
  await seen(created.filter({ hasText: account }), "the bucket in the journal, by whom");
  await seen(list.getByRole("row").filter({ hasText: "Set audit_days to 100" }).filter({ hasText: "Command line" }), "the setting in the journal, by the command line");
  await seen(list.getByRole("row").filter({ hasText: "Signed in" }), "the login in the journal");

  // What happens while one looks appears by itself.
  await somebody.call("POST", "/buckets", { name: "noted-as-well" });
  await seen(list.getByRole("row").filter({ hasText: "Created bucket noted-as-well" }), "a new entry by itself");

  // Filters stand in the address and can be taken back.
  await page.getByLabel("Action", { exact: true }).fill("bucket.create");
  await until("other entries to go", 10_000, async () => (await list.getByRole("row").filter({ hasText: "Signed in" }).count()) === 0);
  await seen(created, "the bucket among the filtered");
  ok(page.url().includes("action=bucket.create"), `the filter is not in the address: ${page.url()}`);
  await page.reload();
  await seen(created, "the bucket after loading the address anew");
  ok((await list.getByRole("row").filter({ hasText: "Signed in" }).count()) === 0, "the filter is lost");
  await page.getByLabel("Target", { exact: true }).fill("no such target");
  await seen(page.getByText("No entry fits these filters"), "that nothing fits");
  await somebody.button("Clear filters").first().click();
  await seen(list.getByRole("row").filter({ hasText: "Signed in" }), "everything again");

  // One entry with everything.
  await created.first().click();
  await seen(somebody.dialog.getByText("bucket.create", { exact: true }), "the action in the entry");
  await seen(somebody.dialog.locator(".audit-hashes code").nth(1), "the hash before");
  await accessible(page, "an entry");
  const seq = Number(/\/audit\/(\d+)/.exec(page.url())?.[1]);
  ok(seq > 0, `the entry has no address of its own: ${page.url()}`);
  await somebody.dialog.getByRole("button", { name: "Close", exact: true }).click();

  await verify(somebody);
  await seen(page.locator(".audit-verdict .note", { hasText: "The chain is intact" }), "that the chain is intact", 30_000);
  await accessible(page, "the verdict");
  const members = page.locator(".audit-members tbody tr");
  ok((await members.count()) === journey.urls.length, `${await members.count()} of ${journey.urls.length} servers verified`);
  for (const text of await members.allTextContents()) ok(text.includes("Intact"), `a server says: ${text}`);

  // A head kept elsewhere is recognised.
  const head = await somebody.get("/audit/head");
  await page.getByLabel("Number and hash").fill(`${head.seq} ${head.hash}`);
  await somebody.button("Compare").click();
  await seen(page.getByText(/is exactly as you noted it/), "the note recognised");
  await page.getByLabel("Number and hash").fill(`${head.seq} ${"0123456789abcdef".repeat(4)}`);
  await somebody.button("Compare").click();
  await seen(page.getByText(/has another hash than the one you noted/), "the wrong note told apart");

  // The journal as a file.
  await somebody.button("Export").click();
  const [file] = await Promise.all([page.waitForEvent("download"), exportNow(somebody)]);
  const path = await file.path();
  const { readFileSync } = await import("node:fs");
  const lines = readFileSync(path, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  ok(lines.some((entry) => entry.action === "bucket.create"), "the bucket is not in the export");
  log(`${lines.length} entries exported`);
  watch.clean("the journal");
}

/** @param {import("../lib/person.mjs").Person} somebody */
async function exportNow(somebody) {
  const button = somebody.dialog.locator(".dialog-foot").getByText("Download", { exact: true });
  await button.click();
}

/** @param {import("../lib/person.mjs").Person} somebody */
export async function verify(somebody) {
  await somebody.page.getByRole("button", { name: /^Verify (now|again)$/ }).click();
}
