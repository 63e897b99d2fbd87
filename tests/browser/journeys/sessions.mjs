// Sessions end: because somebody ended them, because the cookie is gone; then one signs in and is where one was. Guessing
// passwords is slowed down, and told.

import { accessible } from "../lib/axe.mjs";
import { ok, pause, seen } from "../lib/expect.mjs";

/** The server looks every 20 s whether who listens still may. */
const RECHECK_MS = 35_000;
const ENDED = "Your session has ended. Sign in to go on where you were.";

/** @param {import("../lib/journey.mjs").Journey} journey */
export default async function sessions(journey) {
  const somebody = await journey.person({ at: "/audit?action=login" });
  for (const one of (await somebody.get("/sessions")).items) {
    if (!one.current) await somebody.call("DELETE", `/sessions/${one.id}`);
  }
  const other = await journey.person({ at: "/access/sessions", node: 2 });
  const { page, watch } = somebody;
  // Requests under way when a session ends are refused.
  watch.allow(/status of 401 /);

  // Ended by somebody else, at another node, in the list of sessions.
  await seen(page.getByLabel("Action", { exact: true }), "the filters of the journal");
  const rows = other.page.getByRole("grid", { name: "Sessions" }).locator(".table-row");
  await seen(rows.filter({ hasText: "this session" }), "one's own session in the list");
  const mine = rows.filter({ hasNotText: "this session" });
  ok((await mine.count()) === 1, `${await mine.count()} other sessions are listed`);
  await mine.getByRole("button", { name: "End" }).click();
  await accessible(other.page, "before a session ends");
  await other.confirm("End");
  await other.told("The session is ended.");
  await seen(page.getByText(ENDED), "the login, by itself", RECHECK_MS);
  ok(page.url().endsWith("/audit?action=login"), `the address is lost: ${page.url()}`);
  await somebody.signIn(journey.administrator);
  await seen(page.locator("main#main").getByRole("heading", { name: "Audit", level: 1 }), "the page where one was");
  ok((await page.getByLabel("Action", { exact: true }).inputValue()) === "login", "the filter is lost");

  // The cookie is gone, as if it had expired.
  await page.context().clearCookies();
  await seen(page.getByText(ENDED), "the login after the cookie is gone", RECHECK_MS);
  await page.goto("/settings");
  await somebody.signIn(journey.administrator);
  await seen(page.locator("main#main").getByRole("heading", { name: "Settings", level: 1 }), "the page that was asked for");

  // Signed out, the way back does not lead in.
  await somebody.signOut();
  await page.goBack();
  await seen(page.getByRole("heading", { name: "Sign in", level: 1 }), "the login on the way back");
  ok((await page.getByText(ENDED).count()) === 0, "a session that was signed out is said to have ended");

  // Guessing.
  watch.allow(/status of 429 /);
  const guess = { account: "guessed-at", password: "wrong wrong wrong" };
  for (let turn = 0; turn < 5; turn++) {
    await somebody.signIn(guess);
    await seen(page.getByRole("alert").getByText("The account or the password is wrong."), `the refusal of guess ${turn + 1}`);
    await pause(100);
  }
  const throttled = page.getByRole("alert").getByText("Too many attempts. Wait a moment, then try again.");
  for (let turn = 0; turn < 3 && (await throttled.count()) === 0; turn++) {
    await somebody.signIn(guess);
    await somebody.button("Sign in").and(page.locator(":not([aria-busy])")).waitFor();
    await pause(200);
  }
  await seen(throttled, "that guessing is held up");
  await accessible(page, "a guess held up");
  // Who has the right password of another account is not held up by that.
  await somebody.signIn(journey.administrator);
  await seen(page.locator("main#main h1"), "the page after signing in");
  watch.clean("sessions");
  other.watch.clean("the list of sessions");
}
