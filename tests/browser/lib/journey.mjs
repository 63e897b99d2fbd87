// One journey: a browser, the people in it, and what must not happen while they look around.

import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";
import { ok, seen, SOON_MS } from "./expect.mjs";
import { log } from "./log.mjs";
import { owner } from "./owner.mjs";
import { Person } from "./person.mjs";
import { Watch } from "./watch.mjs";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** @param {string} name */
function given(name) {
  const value = process.env[name];
  ok(value, `${name} is not set`);
  return value;
}

export class Journey {
  /** @param {string} name @param {import("playwright-core").Browser} browser */
  constructor(name, browser) {
    this.name = name;
    this.browser = browser;
    /** Admin addresses, node 1 first. */
    this.urls = given("HOLDFAST_URLS").split(",").map((url) => url.replace(/\/$/, ""));
    this.administrator = { account: given("HOLDFAST_ACCOUNT"), password: given("HOLDFAST_PASSWORD") };
    this.scratch = given("HOLDFAST_SCRATCH");
    this.owner = owner;
    /** @type {{ page: import("playwright-core").Page, context: import("playwright-core").BrowserContext, watch: Watch }[]} */
    this.opened = [];
  }

  /** @param {string} name */
  static async begin(name) {
    const executablePath = process.env["HOLDFAST_CHROMIUM"] ?? "/usr/bin/chromium";
    const browser = await chromium.launch({ executablePath, args: FLAGS });
    return new Journey(name, browser);
  }

  /**
   * A browser of its own, nobody signed in.
   * @param {{ node?: number, language?: "en" | "zh", width?: number, height?: number }} [how]
   */
  async stranger({ node = 1, language = "en", width = 1360, height = 900 } = {}) {
    const url = this.urls[node - 1];
    ok(url, `there is no node ${node}`);
    const context = await this.browser.newContext({
      baseURL: url,
      locale: language === "zh" ? "zh-CN" : "en-US",
      timezoneId: "UTC",
      viewport: { width, height },
      reducedMotion: "reduce",
      colorScheme: "light",
      acceptDownloads: true,
    });
    context.setDefaultTimeout(SOON_MS);
    const watch = new Watch(url);
    await watch.over(context);
    const page = await context.newPage();
    this.opened.push({ page, context, watch });
    return new Person(page, watch, language);
  }

  /**
   * Signed in as the administrator, or as `who`, on the page at `at`.
   * @param {{ at?: string, who?: { account: string, password: string }, node?: number, language?: "en" | "zh", width?: number, height?: number }} [how]
   */
  async person({ at = "/", who = this.administrator, ...how } = {}) {
    const person = await this.stranger(how);
    await person.page.goto(at);
    await person.signIn(who);
    await seen(person.page.locator("main#main h1"), "the page after signing in");
    return person;
  }

  /** A file to upload. @param {string} name @param {string | Uint8Array} content */
  file(name, content) {
    const at = path.join(this.scratch, name);
    mkdirSync(path.dirname(at), { recursive: true });
    writeFileSync(at, content);
    return at;
  }

  /** Pictures of all that is open, for people. */
  async picture() {
    const dir = process.env["HOLDFAST_FAILURES"] ?? path.join(this.scratch, "failures");
    mkdirSync(dir, { recursive: true });
    for (const [index, { page, watch }] of this.opened.entries()) {
      if (page.isClosed()) continue;
      const at = path.join(dir, `${this.name}-${index + 1}`);
      try {
        await page.screenshot({ path: `${at}.png`, fullPage: true, timeout: 5_000 });
        writeFileSync(`${at}.txt`, `${page.url()}\n${watch.text()}\n${await page.locator("body").ariaSnapshot({ timeout: 5_000 })}\n`);
        log(`picture: ${at}.png`);
      } catch (cause) {
        log(`no picture of page ${index + 1}: ${String(cause).split("\n")[0]}`);
      }
    }
  }

  async end() {
    await this.browser.close().catch(() => {});
    this.owner.done();
  }
}
