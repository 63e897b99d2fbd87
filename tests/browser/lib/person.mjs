// Somebody at the dashboard.

import { ok, seen, SOON_MS } from "./expect.mjs";
import { words } from "./words.mjs";

/** @typedef {{ status: number, body: any }} Answer */

export class Person {
  /** @param {import("playwright-core").Page} page @param {import("./watch.mjs").Watch} watch @param {"en" | "zh"} language */
  constructor(page, watch, language) {
    this.page = page;
    this.watch = watch;
    this.language = language;
  }

  get words() {
    return words[this.language];
  }

  /** At the login. @param {{ account: string, password: string }} who */
  async signIn({ account, password }) {
    const t = this.words.login;
    await seen(this.page.getByRole("heading", { name: t.title, level: 1 }), "the login");
    await this.page.getByLabel(t.account, { exact: true }).fill(account);
    await this.page.getByLabel(t.password, { exact: true }).fill(password);
    await this.page.getByRole("button", { name: t.submit, exact: true }).click();
  }

  async signOut() {
    await this.menu(/^(Account|账户) /, this.words.signOut);
    await seen(this.page.getByRole("heading", { name: this.words.login.title, level: 1 }), "the login after signing out");
  }

  /** An entry of a menu. @param {string | RegExp} button @param {string | RegExp} entry */
  async menu(button, entry) {
    await this.page.getByRole("button", { name: button }).first().click();
    await this.page.getByRole("menuitem", { name: entry }).click();
  }

  /** @param {"en" | "zh"} language */
  async speak(language) {
    await this.menu(/^(Language|语言)/, language === "zh" ? "简体中文" : "English");
    this.language = language;
  }

  /** @param {"light" | "dark"} theme */
  async dress(theme) {
    await this.menu(new RegExp(`^${this.words.theme}`), this.words.themes[theme]);
    await this.page.locator(`html[data-theme=${theme}]`).waitFor({ state: "attached" });
  }

  /** By the navigation. @param {import("./words.mjs").PageName} name */
  async visit(name) {
    const label = this.words.pages[name];
    await this.page.getByRole("navigation", { name: this.words.navigation }).getByRole("link", { name: label, exact: true }).click();
    await seen(this.page.locator("main#main").getByRole("heading", { name: this.words.headings[name], level: 1, exact: true }), `the heading of ${name}`);
  }

  /** One of a few, all visible. @param {string} label */
  async choose(label) {
    await this.page.locator(".segmented label", { hasText: label }).click();
  }

  /** @param {string | RegExp} name */
  button(name) {
    return this.page.getByRole("button", { name, ...(typeof name === "string" ? { exact: true } : {}) });
  }

  /** The dialog that is open. */
  get dialog() {
    return this.page.locator("[role=dialog], [role=alertdialog]").last();
  }

  /** The main button of the dialog. @param {string} name */
  async confirm(name) {
    const button = this.dialog.locator(".dialog-foot").getByRole("button", { name, exact: true });
    await ready(button, `${name} in the dialog`);
    await button.click();
  }

  /** A notice at the corner. @param {string | RegExp} text */
  async told(text) {
    await seen(this.page.locator(".toast", { hasText: text }), `a notice: ${text}`);
  }

  /** What a program of the page itself could do. @param {string} method @param {string} path @param {unknown} [body] @returns {Promise<Answer>} */
  async call(method, path, body) {
    return this.page.evaluate(
      async ({ method, path, body }) => {
        const me = await fetch("/api/v1/auth/me").then((answer) => answer.json());
        const headers = { "content-type": "application/json", "x-holdfast-csrf": me.csrf ?? "" };
        const answer = await fetch(`/api/v1${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
        const text = await answer.text();
        let json = null;
        try {
          json = JSON.parse(text);
        } catch {
          json = text;
        }
        return { status: answer.status, body: json };
      },
      { method, path, body },
    );
  }

  /** The same; a success. @param {string} path @returns {Promise<any>} */
  async get(path) {
    const answer = await this.call("GET", path);
    ok(answer.status === 200, `GET ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }
}

/** Buttons that cannot be used are marked so, and stay. @param {import("playwright-core").Locator} button @param {string} what @param {number} [most] */
export async function ready(button, what, most = SOON_MS) {
  const end = Date.now() + most;
  await seen(button, what, most);
  while ((await button.getAttribute("aria-disabled")) === "true") {
    ok(Date.now() < end, `${what} cannot be used`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
