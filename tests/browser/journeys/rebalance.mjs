// Evening out disks: what would be moved, the start, the throttle, a pause, and the end.

import { accessible } from "../lib/axe.mjs";
import { counted, fill } from "../lib/cluster.mjs";
import { ok, pause, seen, until } from "../lib/expect.mjs";
import { ready } from "../lib/person.mjs";

const MIB = 1 << 20;

/** @param {import("../lib/journey.mjs").Journey} journey */
export default async function rebalance(journey) {
  await journey.owner.cli("admin", "set", "balance_auto", "false");
  await fill(journey, "uneven", 6, 24 * MIB);
  const somebody = await journey.person({ at: "/topology?view=disks" });
  const { page, watch } = somebody;
  const { disks } = await somebody.get("/topology");
  const disk = disks[0].id;
  await counted(somebody, disk, 30 * MIB);

  // A small weight: what lies there is too much now.
  await page.getByRole("grid", { name: "Disks" }).getByRole("row").filter({ hasText: `Disk ${disk}` }).first().click();
  await somebody.button("Edit weight").click();
  const weight = somebody.dialog.getByRole("slider", { name: "Weight" });
  await weight.press("Home");
  for (let step = 0; step < 4; step++) await weight.press("ArrowRight");
  await seen(somebody.dialog.getByText("0.2", { exact: false }), "the weight chosen");
  await accessible(page, "the weight");
  await somebody.confirm("Save");
  await somebody.told(`Weight of Disk ${disk} is changed`);

  await somebody.visit("rebalance");
  const start = page.locator(".page-head").getByRole("button", { name: "Start" });
  // Plans of the server and of the page are of some seconds ago.
  await until("a plan that moves something", 90_000, async () => {
    const planned = (await somebody.get("/balance/plan")).moves.some((/** @type {any} */ move) => move.from === disk);
    if (planned && (await start.getAttribute("aria-disabled")) !== "true" && (await moves(page).count()) > 0) return true;
    await pause(2_000);
    await page.reload();
    await start.waitFor();
    return false;
  });
  const plan = await somebody.get("/balance/plan");
  const leaving = plan.moves.filter((/** @type {any} */ move) => move.from === disk);
  ok(leaving.length > 0 && !plan.moves.some((/** @type {any} */ move) => move.to === disk), `disk ${disk} is too full, and this is planned: ${JSON.stringify(plan.moves)}`);
  await seen(page.getByText("No disk goes above its limit at any moment of this plan."), "the proof");
  await somebody.choose("Disks");
  await seen(page.getByRole("grid", { name: "Disks" }).getByRole("row").filter({ hasText: `Disk ${disk}` }), "the disk before and after");

  // Slow enough to be looked at.
  const throttle = page.getByRole("slider", { name: "Limit for each disk" });
  await throttle.press("Home");
  await somebody.told("The limit is changed");
  ok((await somebody.get("/balance")).bytes_per_second === MIB, "the throttle did not arrive");

  await ready(start, "Start");
  await start.click();
  await seen(somebody.dialog.getByText("To be moved"), "what the start would move");
  await accessible(page, "before the start");
  await somebody.confirm("Start");
  await somebody.told("Rebalancing has started");
  const state = page.locator(".page-head .status, .page-head").getByText(/^(Idle|Running|Paused)$/);
  await seen(state.filter({ hasText: "Running" }), "the run");
  await seen(page.getByRole("progressbar", { name: "Progress of rebalancing" }), "its progress");
  await until("moves under way", 30_000, async () => (await somebody.get("/balance")).moves_under_way > 0);

  await accessible(page, "the run");
  await somebody.button("Pause").click();
  await somebody.told("Rebalancing is paused");
  await seen(state.filter({ hasText: "Paused" }), "the pause");
  await somebody.button("Resume").click();
  await somebody.told("Rebalancing goes on");
  await seen(state.filter({ hasText: "Running" }), "the run, going on");

  await throttle.press("End");
  await until("the throttle to be off", 10_000, async () => (await somebody.get("/balance")).bytes_per_second === 0);
  await seen(state.filter({ hasText: "Idle" }), "the end of the run", 120_000);
  await seen(page.getByRole("heading", { name: "Last run" }), "the last run");
  const after = await somebody.get("/balance");
  ok(after.moves_done > 0 && after.bytes_done > 0, `nothing was moved: ${JSON.stringify(after)}`);
  await seen(page.getByRole("grid", { name: "History" }).getByRole("row").filter({ hasText: journey.administrator.account }), "the run in the history", 30_000);
  await somebody.choose("Moves");
  await seen(page.getByText("Disks are even"), "an even plan", 60_000);
  watch.clean("rebalancing");
}

/** Rows of the plan. @param {import("playwright-core").Page} page */
const moves = (page) => page.getByRole("grid", { name: "Plan" }).locator(".table-row");
