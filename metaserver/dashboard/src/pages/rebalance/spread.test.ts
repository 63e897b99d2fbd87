import assert from "node:assert/strict";
import { test } from "node:test";
import type { BalanceDisk } from "../../api/types";
import { spreadOf } from "./spread";

const disk = (before: number, after: number) =>
  ({ share_bytes: 1000, before_bytes: before, after_bytes: after }) as BalanceDisk;

test("every disk is counted once before and once after", () => {
  const disks = Array.from({ length: 100 }, (_, at) => disk(at * 9, 445 + (at % 10)));
  const bins = spreadOf(disks);
  assert.equal(bins.reduce((sum, bin) => sum + bin.before, 0), 100);
  assert.equal(bins.reduce((sum, bin) => sum + bin.after, 0), 100);
  assert.ok(bins.length <= 26);
});

test("equal disks make one bar, none make none", () => {
  assert.equal(spreadOf([disk(500, 500), disk(500, 500)]).filter((bin) => bin.before > 0).length, 1);
  assert.deepEqual(spreadOf([]), []);
});
