// Roles: whoever may not do a thing sees that and why, and the server refuses it as well. A first password is changed
// before anything else.

import { accessible } from "../lib/axe.mjs";
import { ok, seen } from "../lib/expect.mjs";

const FIRST = "handed over once";
const OWN = { vera: "chosen by myself, v", otto: "chosen by myself, o" };
/** The server looks every 20 s whether who listens still may. */
const RECHECK_MS = 35_000;
const NEEDS_OPERATOR = "Needs the operator role. You are signed in as a viewer.";
const NEEDS_ADMIN = "Needs the administrator role.";

/** @param {import("../lib/journey.mjs").Journey} journey */
export default async function roles(journey) {
  const root = await journey.person({ at: "/access" });
  for (const [name, role] of /** @type {const} */ ([["vera", "Viewer"], ["otto", "Operator"]])) await create(root, name, role);
  root.watch.clean("making accounts");

  const vera = await arrive(journey, "vera");
  await seen(vera.page.locator("main#main h1"), "the overview");
  // Where: what, and on which page.
  for (const [address, names] of /** @type {[string, string[]][]} */ ([
    ["/files", ["Create bucket"]],
    ["/topology/disks/1", ["Drain", "Decommission", "Edit weight"]],
    ["/rebalance", ["Start"]],
  ])) {
    await vera.page.goto(address);
    for (const name of names) await refused(vera, name, NEEDS_OPERATOR);
  }
  await vera.page.goto("/settings");
  await seen(vera.page.getByText(NEEDS_ADMIN).or(vera.page.locator("main#main [aria-disabled=true]")), "what is refused among the settings");
  await vera.page.goto("/access/accounts");
  await seen(vera.page.getByText("Only administrators see this"), "that accounts are for administrators");
  await vera.page.goto("/");
  for (const [method, path, body] of /** @type {[string, string, unknown][]} */ ([
    ["POST", "/buckets", { name: "not-by-vera" }],
    ["POST", "/disks/1/drain", {}],
    ["PATCH", "/disks/1", { weight: 0.5 }],
    ["POST", "/balance/start", {}],
    ["PUT", "/settings/audit_days", { value: "1" }],
    ["POST", "/accounts", { name: "eve", role: "admin", password: "eve eve eve eve" }],
    ["PATCH", "/accounts/vera", { role: "admin" }],
  ])) {
    const answer = await vera.call(method, path, body);
    ok(answer.status === 403 && answer.body.error?.code === "forbidden", `${method} ${path} by a viewer: ${answer.status} ${JSON.stringify(answer.body)}`);
  }

  const otto = await arrive(journey, "otto");
  await otto.visit("files");
  await otto.page.getByRole("button", { name: "Create bucket" }).first().click();
  await otto.dialog.getByLabel("Name").fill("by-otto");
  await otto.confirm("Create bucket");
  await otto.told("Bucket by-otto is created.");
  const answer = await otto.call("PUT", "/settings/audit_days", { value: "1" });
  ok(answer.status === 403, `a setting by an operator: ${answer.status}`);
  await otto.page.goto("/access/keys");
  await seen(otto.page.getByText("Only administrators see this").or(otto.page.locator("main#main [aria-disabled=true]")), "that keys are for administrators");

  // A role is taken away: its sessions end at once.
  await root.page.goto("/access/accounts");
  await root.menu("Actions for otto", /^Disable/);
  await root.confirm("Disable");
  await root.told("otto is disabled.");
  await seen(otto.page.getByRole("heading", { name: "Sign in", level: 1 }), "the login of who is disabled", RECHECK_MS);
  root.watch.clean("disabling an account");
}

/** @param {import("../lib/person.mjs").Person} root @param {string} name @param {string} role */
async function create(root, name, role) {
  await root.button("Create account").click();
  await root.dialog.getByLabel("Name", { exact: true }).fill(name);
  await root.dialog.locator("label.role", { hasText: role }).first().click();
  await root.dialog.getByLabel("First password", { exact: true }).fill(FIRST);
  await accessible(root.page, "a new account");
  await root.confirm("Create account");
  await root.told(`Account ${name} is created.`);
  const row = root.page.getByRole("grid", { name: "Accounts" }).getByRole("row").filter({ hasText: name });
  await seen(row.filter({ hasText: role }).filter({ hasText: "Must change password" }), `${name} among the accounts`);
}

/** Signs in for the first time, and chooses a password. @param {import("../lib/journey.mjs").Journey} journey @param {"vera" | "otto"} account */
async function arrive(journey, account) {
  const somebody = await journey.stranger();
  const { page, watch } = somebody;
  // What is refused is part of this journey.
  watch.allow(/status of 40[013] /);
  await page.goto("/");
  await somebody.signIn({ account, password: FIRST });
  await seen(page.getByRole("heading", { name: "Choose a new password", level: 1 }), "the demand for a new password");
  const early = await somebody.call("GET", "/overview");
  ok(early.status === 403 && early.body.error?.code === "must_change_password", `before the change: ${JSON.stringify(early)}`);
  const fill = async (/** @type {string} */ old, /** @type {string} */ next, again = next) => {
    await page.getByLabel("Current password", { exact: true }).fill(old);
    await page.getByLabel("New password", { exact: true }).fill(next);
    await page.getByLabel("New password, again", { exact: true }).fill(again);
    await somebody.button("Change password").click();
  };
  await fill(FIRST, "short");
  await seen(page.locator(".tone-danger", { hasText: "At least 12 characters." }), "that it is too short");
  await accessible(page, "a new password, refused");
  await fill(FIRST, FIRST);
  await seen(page.getByText("Choose one that differs from the current one."), "that it is the same");
  await fill(FIRST, OWN[account], "something else!");
  await seen(page.getByText("The two are not the same."), "that they differ");
  await fill("not the password", OWN[account]);
  await seen(page.getByRole("alert").getByText("The account or the password is wrong."), "that the old one is wrong");
  await fill(FIRST, `${account} ${OWN[account]}`);
  await seen(page.getByText("It must not contain the name of your account."), "that the account's name is in it");
  await fill(FIRST, OWN[account]);
  await seen(page.locator("main#main h1"), "the dashboard after the change");
  watch.clean(`the first login of ${account}`);
  return somebody;
}

/** A button that is there, cannot be used and says why. @param {import("../lib/person.mjs").Person} somebody @param {string} name @param {string} why */
async function refused(somebody, name, why) {
  const button = somebody.page.locator("main#main, aside.panel").getByRole("button", { name, exact: true }).first();
  await seen(button, `the button ${name}`);
  ok((await button.getAttribute("aria-disabled")) === "true", `${name} can be used`);
  await somebody.page.mouse.move(0, 0);
  await button.hover();
  await seen(somebody.page.getByRole("tooltip").filter({ hasText: why }), `why ${name} cannot be used`);
  await button.click({ force: true });
  ok((await somebody.page.locator("[role=dialog], [role=alertdialog]").count()) === 0, `${name} opened something`);
  await somebody.page.mouse.move(0, 0);
}
