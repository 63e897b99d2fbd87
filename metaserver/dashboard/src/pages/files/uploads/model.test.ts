import assert from "node:assert/strict";
import { test } from "node:test";
import { anotherName, Meter } from "./model";

test("another name counts on", () => {
  assert.equal(anotherName("a.txt"), "a (2).txt");
  assert.equal(anotherName("a (2).txt"), "a (3).txt");
  assert.equal(anotherName("d.x/.profile"), "d.x/.profile (2)");
  assert.equal(anotherName("noext"), "noext (2)");
});

test("the meter measures what went, not what was there", () => {
  const meter = new Meter();
  for (let at = 0; at <= 4_000; at += 200) meter.add(at, 1_000_000 + at * 500);
  assert.equal(Math.round(meter.rate() ?? 0), 500_000);
});
