// Every page, in both languages and both themes: it opens, has its heading, reports no error, and is accessible.

import { barriers } from "../lib/axe.mjs";
import { fill } from "../lib/cluster.mjs";
import { ok, pause, seen } from "../lib/expect.mjs";
import { log } from "../lib/log.mjs";
import { pageNames } from "../lib/words.mjs";

/** @param {import("../lib/journey.mjs").Journey} journey */
export default async function tour(journey) {
  await fill(journey, "seen-on-tour", 2, 100_000);
  const somebody = await journey.stranger();
  const { page, watch } = somebody;
  // A directory that is not there is asked for all the same.
  watch.allow(/status of 404 .*path=\/no-such-bucket/);
  /** @type {string[]} */
  const broken = [];
  await page.goto("/");
  await seen(page.getByRole("heading", { name: "Sign in" }), "the login");
  broken.push(...(await barriers(page, "login, en, light")));
  await somebody.speak("zh");
  await seen(page.getByRole("heading", { name: "登录", exact: true }), "the login in Chinese");
  await somebody.dress("dark");
  broken.push(...(await barriers(page, "login, zh, dark")));
  await somebody.speak("en");
  await somebody.signIn(journey.administrator);
  await seen(page.locator("main#main h1"), "the overview");
  watch.clean("login");

  for (const [language, theme] of /** @type {const} */ ([["en", "dark"], ["en", "light"], ["zh", "light"], ["zh", "dark"]])) {
    await somebody.speak(language);
    await somebody.dress(theme);
    const lang = await page.locator("html").getAttribute("lang");
    ok(lang === (language === "zh" ? "zh-CN" : "en-US"), `the page says its language is ${lang}`);
    for (const name of pageNames) {
      const where = `${name}, ${language}, ${theme}`;
      await somebody.visit(name);
      await settled(page);
      const title = await page.title();
      ok(title.startsWith(somebody.words.pages[name]), `${where}: the window is called ${title}`);
      const trouble = await page.locator("main#main .note.danger[role=alert], .toast.tone-danger").allTextContents();
      ok(trouble.length === 0, `${where}: something did not work: ${trouble.join("; ")}`);
      const opened = performance.now();
      broken.push(...(await barriers(page, where)));
      log(`${where}: looked at in ${((performance.now() - opened) / 1000).toFixed(1)} s`);
      watch.clean(where);
    }
  }

  // What is inside of the pages, by its address, in one language and theme each in turn.
  for (const [turn, address] of INSIDE.entries()) {
    const language = turn % 2 === 0 ? "en" : "zh";
    await somebody.speak(language);
    await somebody.dress(turn % 4 < 2 ? "light" : "dark");
    await page.goto(address);
    await seen(page.locator("main#main h1, [role=dialog] h2"), `a heading at ${address}`);
    await settled(page);
    const where = `${address}, ${language}`;
    const trouble = await page.locator("main#main .note.danger[role=alert], .toast.tone-danger").allTextContents();
    ok(trouble.length === 0, `${where}: something did not work: ${trouble.join("; ")}`);
    broken.push(...(await barriers(page, where)));
    // An open dialog hides the menus.
    const close = page.locator("[role=dialog] .dialog-head button");
    if ((await close.count()) > 0) await close.click();
    watch.clean(where);
  }
  await somebody.speak("en");

  // On a telephone nothing sticks out at the side.
  await page.setViewportSize({ width: 390, height: 800 });
  for (const address of ["/", "/topology", "/groups", "/files/seen-on-tour", "/rebalance", "/repair", "/access", "/audit", "/settings", "/api-reference"]) {
    await page.goto(address);
    await seen(page.locator("main#main h1").and(page.locator(":not(:empty)")), `a heading at ${address}, narrow`);
    await settled(page);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    ok(wide <= 1, `${address} is ${wide} pixels wider than a telephone`);
    broken.push(...(await barriers(page, `${address}, narrow`)));
    watch.clean(`${address}, narrow`);
  }
  ok(broken.length === 0, `not accessible: ${broken.join("; ")}`);
  log(`${pageNames.length} pages, 2 languages, 2 themes`);
  await fast(journey);
}

const INSIDE = [
  "/topology?view=nodes",
  "/topology?view=disks",
  "/topology?view=procedures",
  "/topology/disks/1?view=disks",
  "/topology/nodes/1",
  "/groups/1",
  "/files?view=links",
  "/files/seen-on-tour",
  "/files/seen-on-tour?show=seen-on-tour-0",
  "/files/seen-on-tour?view=trash",
  "/files/no-such-bucket",
  "/access/keys",
  "/access/tokens",
  "/access/sessions",
  "/access/me",
  "/audit/1",
  "/audit?q=nothing-is-called-so",
  "/no-such-page",
];

/** Nothing is being waited for any more. @param {import("playwright-core").Page} page */
async function settled(page) {
  const end = Date.now() + 10_000;
  while ((await page.locator("main#main [aria-busy=true], main#main .skeleton").count()) > 0) {
    ok(Date.now() < end, "the page still waits for something after 10 s");
    await pause(50);
  }
}

/** From the address bar to an overview that can be used, a few times. Told, not judged: machines differ. @param {import("../lib/journey.mjs").Journey} journey */
async function fast(journey) {
  const somebody = await journey.person();
  const { page } = somebody;
  /** @type {[number[], number[]]} */
  const [took, drawn] = [[], []];
  for (let turn = 0; turn < 5; turn++) {
    await page.goto("about:blank");
    const begun = performance.now();
    await page.goto("/", { waitUntil: "commit" });
    await page.locator("#health-title").waitFor();
    drawn.push(performance.now() - begun);
    await page.getByRole("button", { name: /^Account / }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).waitFor();
    took.push(performance.now() - begun);
  }
  const middle = (/** @type {number[]} */ some) => `${some.sort((a, b) => a - b)[2]?.toFixed(0)} ms (${some.map((ms) => ms.toFixed(0)).join(", ")})`;
  log(`MEASURED overview drawn after ${middle(drawn)}, a menu of it open after ${middle(took)}`);
}
