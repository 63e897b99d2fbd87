// Every page, in both languages and both themes: it opens, has its heading, reports no error, and is accessible.

import { accessible } from "../lib/axe.mjs";
import { ok, pause, seen } from "../lib/expect.mjs";
import { log } from "../lib/log.mjs";
import { pageNames } from "../lib/words.mjs";

/** @param {import("../lib/journey.mjs").Journey} journey */
export default async function tour(journey) {
  const somebody = await journey.stranger();
  const { page, watch } = somebody;
  /** @type {string[]} */
  const broken = [];
  await page.goto("/");
  await seen(page.getByRole("heading", { name: "Sign in" }), "the login");
  broken.push(...(await accessible(page, "login, en, light")));
  await somebody.speak("zh");
  await seen(page.getByRole("heading", { name: "登录", exact: true }), "the login in Chinese");
  await somebody.dress("dark");
  broken.push(...(await accessible(page, "login, zh, dark")));
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
      broken.push(...(await accessible(page, where)));
      log(`${where}: looked at in ${((performance.now() - opened) / 1000).toFixed(1)} s`);
      watch.clean(where);
    }
  }

  // Asked for by its address, not by the navigation.
  for (const name of pageNames) {
    await somebody.visit(name);
    await page.reload();
    await seen(page.locator("main#main").getByRole("heading", { name: somebody.words.headings[name], level: 1, exact: true }), `${name} after loading it anew`);
    await settled(page);
    watch.clean(`${name} loaded anew`);
  }
  ok(broken.length === 0, `not accessible: ${broken.join("; ")}`);
  log(`${pageNames.length} pages, 2 languages, 2 themes`);
  await fast(journey);
}

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
  /** @type {number[]} */
  const took = [];
  for (let turn = 0; turn < 5; turn++) {
    await page.goto("about:blank");
    const begun = performance.now();
    await page.goto("/", { waitUntil: "commit" });
    await page.locator("#health-title").waitFor();
    await page.getByRole("button", { name: /^Account / }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).waitFor();
    took.push(performance.now() - begun);
  }
  took.sort((a, b) => a - b);
  const first = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
  log(`MEASURED overview interactive after ${took.map((ms) => ms.toFixed(0)).join(", ")} ms (median ${took[2]?.toFixed(0)} ms); first paint of the last after ${first.toFixed(0)} ms`);
}
