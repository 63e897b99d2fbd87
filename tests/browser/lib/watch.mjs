// What a page must not do while somebody looks at it: report errors, offend its own policy, talk to another server.

import { ok } from "./expect.mjs";

export class Watch {
  /** @param {string} home Where the page comes from. */
  constructor(home) {
    this.home = new URL(home).origin;
    /** @type {string[]} */
    this.found = [];
    /** @type {RegExp[]} */
    this.allowed = [
      // Who is not signed in is told so.
      /status of 401 .*\/api\/v1\/auth\/me$/,
    ];
  }

  /** @param {import("playwright-core").BrowserContext} context */
  async over(context) {
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => {
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
      });
    });
    context.on("page", (page) => {
      page.on("console", (message) => {
        if (message.type() === "error") this.note(`console: ${message.text()} ${message.location().url}`);
      });
      page.on("pageerror", (error) => this.note(`exception: ${error.stack ?? error}`));
      page.on("crash", () => this.note("the page crashed"));
    });
    context.on("request", (request) => {
      const url = new URL(request.url());
      if (url.protocol.startsWith("http") && url.origin !== this.home) this.note(`request to elsewhere: ${url}`);
    });
  }

  /** These belong to the journey. @param {...RegExp} some */
  allow(...some) {
    this.allowed.push(...some);
    this.found = this.found.filter((line) => !some.some((one) => one.test(line)));
  }

  /** @param {string} line */
  note(line) {
    if (!this.allowed.some((one) => one.test(line))) this.found.push(line);
  }

  text() {
    return this.found.join("\n");
  }

  /** Fails when there was something. @param {string} where */
  clean(where) {
    const all = this.text();
    this.found = [];
    ok(all === "", `${where}: ${all}`);
  }
}
