// Files: a bucket, uploads, previews, a link for strangers, the trash and the way back; and names that want to do harm.

import { createHash, randomBytes } from "node:crypto";
import { deflateSync } from "node:zlib";
import { accessible } from "../lib/axe.mjs";
import { ok, pause, same, seen, until } from "../lib/expect.mjs";

const BUCKET = "journey";
const TEXT = "first line\n<b>second</b> line & \u202e third\n";
const BIG = 40_000_000;

/** @param {Uint8Array} data */
const digest = (data) => createHash("sha256").update(data).digest("hex");

/** @param {import("../lib/journey.mjs").Journey} journey */
export default async function files(journey) {
  // Files of this journey live for seconds only.
  await journey.owner.cli("admin", "set", "trash_min_age_seconds", "0");
  const big = randomBytes(BIG);
  const chosen = [journey.file("small.txt", TEXT), journey.file("red.png", picture()), journey.file("big.bin", big)];
  const somebody = await journey.person({ at: "/files" });
  const { page, watch } = somebody;
  // Whether a name is taken is asked first, and told by the answer; a file that is opened as a page has no icon.
  watch.allow(/status of 404 .*\/files\/stat\?/, /status of 409 /, /favicon\.ico$/);
  /** @type {string[]} */
  const parts = [];
  page.on("request", (request) => {
    if (request.method() === "PUT" && /\/uploads\/[^/]+\/parts\/\d+$/.test(request.url())) parts.push(request.url());
  });

  await page.getByRole("button", { name: "Create bucket" }).first().click();
  await somebody.dialog.getByLabel("Name").fill("No Bucket!");
  await somebody.confirm("Create bucket");
  await seen(somebody.dialog.getByText(/This is no bucket name/), "why the name is wrong");
  await accessible(page, "a new bucket");
  await somebody.dialog.getByLabel("Name").fill(BUCKET);
  await somebody.confirm("Create bucket");
  await somebody.told(`Bucket ${BUCKET} is created.`);
  await seen(page.getByText("This directory is empty"), "the new bucket");

  await page.locator("input[data-upload=files]").setInputFiles(chosen);
  await seen(page.locator(".tray").getByText("3 files uploaded").first(), "the end of the uploads", 60_000);
  ok(new Set(parts).size === 3, `${BIG} bytes went in ${parts.length} parts`);
  for (const name of ["small.txt", "red.png", "big.bin"]) await seen(row(page, name), `${name} in the list`);
  const content = async (/** @type {string} */ name) => (await page.request.get(`/api/v1/files/content?path=/${BUCKET}/${name}`)).body();
  same(digest(await content("big.bin")), digest(big), "the large file came back otherwise");
  await page.locator(".tray").getByRole("button", { name: "Close", exact: true }).click();

  // The same name again: nothing is overwritten without a question.
  await page.locator("input[data-upload=files]").setInputFiles([journey.file("again/small.txt", "other")]);
  await seen(page.locator(".tray").getByText("This name is taken"), "the question about the name that is taken");
  await accessible(page, "uploads");
  await page.locator(".tray").getByRole("button", { name: "Keep both" }).click();
  await seen(page.locator(".tray").getByText("1 file uploaded").first(), "the end of the upload");
  same((await content("small.txt")).toString(), TEXT, "the first file");
  await page.locator(".tray").getByRole("button", { name: "Close", exact: true }).click();

  // What is in them.
  await open(somebody, "small.txt");
  const text = somebody.dialog.getByRole("region", { name: "Preview of small.txt" });
  await seen(text, "the preview of a text");
  const shown = (await text.textContent()) ?? "";
  ok(shown.includes("<b>second</b>") && shown.includes("‹RLO›"), `the text is shown as ${JSON.stringify(shown)}`);
  await accessible(page, "details of a file");
  await close(somebody);
  await open(somebody, "red.png");
  await until("the picture to be drawn", 10_000, () =>
    somebody.dialog.locator(".preview-image img").evaluate((image) => /** @type {HTMLImageElement} */ (image).naturalWidth === 8),
  );
  ok(new URL(page.url()).searchParams.get("show") === "red.png", `the details have no address: ${page.url()}`);
  await page.reload();
  await seen(somebody.dialog.locator(".preview-image img"), "the details at their address");
  await close(somebody);

  await share(journey, somebody, big);
  await trash(somebody, content);
  await hostile(somebody);
  watch.clean("files");
}

/** @param {import("../lib/journey.mjs").Journey} journey @param {import("../lib/person.mjs").Person} somebody @param {Uint8Array} big */
async function share(journey, somebody, big) {
  const { page } = somebody;
  await open(somebody, "big.bin");
  await somebody.dialog.getByRole("button", { name: "Share…" }).click();
  await seen(somebody.dialog.getByText("There is no link to this file yet."), "that there is no link");
  await somebody.button("Create link").click();
  const link = somebody.dialog.locator(".secret code");
  await seen(link, "the link");
  await accessible(page, "a link");
  const url = (await link.textContent()) ?? "";
  ok(/^https?:\/\//.test(url), `this is no link that can be sent to anybody: ${url}`);

  const stranger = await journey.stranger({ node: 2 });
  stranger.watch.allow(/./);
  same(await stranger.page.context().cookies(), [], "the stranger has cookies");
  const answer = await stranger.page.request.get(url);
  ok(answer.status() === 200, `the link: ${answer.status()}`);
  same(digest(await answer.body()), digest(big), "what the link leads to");
  ok((answer.headers()["content-disposition"] ?? "").startsWith("attachment"), `the link shows instead of downloading: ${JSON.stringify(answer.headers())}`);
  const [download] = await Promise.all([stranger.page.waitForEvent("download"), stranger.page.goto(url).catch(() => null)]);
  ok(download.suggestedFilename() === "big.bin", `it would be saved as ${download.suggestedFilename()}`);
  ok((await stranger.page.request.get("/api/v1/overview")).status() === 401, "the link lets a stranger in");

  await somebody.button("Revoke").click();
  await somebody.told("The link is revoked; it no longer works.");
  await until("the link to be dead", 10_000, async () => (await stranger.page.request.get(url)).status() === 404);
  await stranger.page.context().close();
  await close(somebody);
  if ((await page.locator("[role=dialog]").count()) > 0) await close(somebody);
}

/** @param {import("../lib/person.mjs").Person} somebody @param {(name: string) => Promise<Buffer>} content */
async function trash(somebody, content) {
  const { page } = somebody;
  await somebody.menu("Actions for small.txt", /^Delete/);
  await seen(somebody.dialog.getByText(/^Files go to the trash and can be restored for/), "how long it is kept");
  await accessible(page, "before deleting");
  await somebody.confirm("Delete");
  await somebody.told("small.txt is deleted.");
  await until("the file to be gone from the list", 10_000, async () => (await row(page, "small.txt").count()) === 0);
  await page.locator(".files-views").getByRole("link", { name: "Trash" }).click();
  const kept = page.getByRole("row").filter({ has: page.getByText("small.txt", { exact: true }) });
  await seen(kept, "the file in the trash", 20_000);
  await kept.getByRole("button", { name: "Restore" }).click();
  await seen(somebody.dialog.getByText("Directories that are missing are made again."), "where it goes back to");
  await accessible(page, "before restoring");
  await somebody.confirm("Restore");
  await somebody.told("1 file is restored.");
  await page.locator(".files-views").getByRole("link", { name: "Files" }).click();
  await seen(row(page, "small.txt"), "the file, back in the list");
  same((await content("small.txt")).toString(), TEXT, "the file that was deleted");
}

const HOSTILE = [
  '<img src=x onerror="window.hurt=1">.txt',
  '"><svg onload=window.hurt=1>.html',
  "\u202egnp.exe",
  "%41%2e%2e%2fx",
  "100%",
  "a?b#c&d=e+f;g,h",
  " at the edges ",
  "two\nlines\ttab",
  "javascript:window.hurt=1",
  "__proto__",
  "zero\u200bwidth",
  "名字".repeat(40),
  "${window.hurt=1}{{hurt}}",
  "...",
];
/** What becomes visible of a name, as far as these have it. @param {string} name */
const shape = (name) =>
  name
    .replaceAll("\u202e", "‹RLO›")
    .replaceAll("\u200b", "‹ZWSP›")
    .replaceAll("\n", "‹LF›")
    .replaceAll("\t", "‹TAB›")
    .replace(/^ | $/g, "␣");

/** @param {import("../lib/person.mjs").Person} somebody */
async function hostile(somebody) {
  const { page } = somebody;
  const made = await somebody.call("POST", "/buckets", { name: "hostile" });
  ok(made.status < 300, JSON.stringify(made));
  for (const name of HOSTILE) {
    const answer = await page.evaluate(async (name) => {
      const me = await fetch("/api/v1/auth/me").then((response) => response.json());
      const response = await fetch(`/api/v1/files/content?path=/hostile/${encodeURIComponent(name)}`, {
        method: "PUT",
        headers: { "x-holdfast-csrf": me.csrf, "content-type": "text/html" },
        body: "<script>window.hurt=1</script>",
      });
      return { status: response.status, text: await response.text() };
    }, name);
    ok(answer.status < 300, `${JSON.stringify(name)}: ${answer.status} ${answer.text}`);
  }
  await page.goto("/files/hostile");
  const names = page.locator("button.entry-name");
  for (const name of HOSTILE) {
    // The middle of a long name is left out.
    if ([...name].length > 70) continue;
    await until(`${JSON.stringify(name)} in the list`, 10_000, async () => {
      const texts = await names.allTextContents();
      ok(texts.includes(shape(name)), `there are ${JSON.stringify(texts)}`);
      return true;
    });
  }
  const count = await names.count();
  ok(count === HOSTILE.length, `${count} of ${HOSTILE.length} names are shown`);
  await accessible(page, "hostile names");

  // Each is the file that it says it is: details, address, preview as text.
  for (let index = 0; index < count; index++) {
    const button = names.nth(index);
    const name = (await button.textContent()) ?? "";
    await button.click();
    await seen(somebody.dialog.locator(".preview-text", { hasText: "<script>window.hurt=1</script>" }), `the preview of ${JSON.stringify(name)}`);
    const address = page.url();
    await page.reload();
    await seen(somebody.dialog.locator(".preview-text", { hasText: "<script>window.hurt=1</script>" }), `${JSON.stringify(name)} at its address ${address}`);
    await close(somebody);
    await pause(50);
  }
  // As a page of its own it is no page.
  const raw = await page.context().newPage();
  await raw.goto(`/api/v1/files/content?path=/hostile/${encodeURIComponent(HOSTILE[1] ?? "")}&disposition=inline`);
  ok(!(await raw.evaluate(() => "hurt" in window)), "a file of somebody ran as a page");
  await raw.close();
  ok(!(await page.evaluate(() => "hurt" in window)), "a name did harm");
  ok((await page.locator("main#main img[src=x], main#main script").count()) === 0, "a name became a part of the page");
}

/** @param {import("playwright-core").Page} page @param {string} name */
const row = (page, name) => page.getByRole("row").filter({ has: page.getByRole("button", { name, exact: true }) });

/** The details of a file. @param {import("../lib/person.mjs").Person} somebody @param {string} name */
async function open(somebody, name) {
  await row(somebody.page, name).getByRole("button", { name, exact: true }).click();
  await seen(somebody.dialog.getByRole("heading", { name, exact: true }), `the details of ${name}`);
}

/** @param {import("../lib/person.mjs").Person} somebody */
async function close(somebody) {
  const before = await somebody.page.locator("[role=dialog]").count();
  await somebody.dialog.getByRole("button", { name: "Close", exact: true }).click();
  await until("the dialog to close", 5_000, async () => (await somebody.page.locator("[role=dialog]").count()) < before);
}

/** A red square of 8 by 8 pixels. */
function picture() {
  const [side, header] = [8, Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])];
  const line = Buffer.concat([Buffer.from([0]), Buffer.alloc(side * 3, Buffer.from([220, 20, 20]))]);
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const pixels = deflateSync(Buffer.concat(Array.from({ length: side }, () => line)));
  return Buffer.concat([header, piece("IHDR", head), piece("IDAT", pixels), piece("IEND", Buffer.alloc(0))]);
}

/** @param {string} kind @param {Buffer} data */
function piece(kind, data) {
  const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  let sum = 0xffffffff;
  for (const byte of body) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(~sum >>> 0);
  return Buffer.concat([length, body, check]);
}
