import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Setting } from "../../api/types";
import { formatNow } from "../../format";
import { settingNames as en } from "../../i18n/en/settingNames";
import { settingNames as zh } from "../../i18n/zh/settingNames";
import { bornBy, shapeOf } from "./ClassMeaning";
import { baseOf, checkNumber, fittingUnit, unitsOf } from "./quantities";
import { riskOf } from "./risks";
import { fresh, readDraft } from "./specs";
import { words } from "./text";

const t = words.of("en");
const setting = (name: string, more: Partial<Setting> = {}): Setting => ({
  name, value: "300", default: "300", kind: "number", least: 10, most: 604_800, meaning: "", group: "", unit: "seconds", ...more,
});

test("every setting speaks both languages, with the same parts", () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  for (const [name, text] of Object.entries(en)) assert.deepEqual(Object.keys(zh[name]!), Object.keys(text), name);
  const mock = readFileSync("dev/settings.mjs", "utf8");
  const known = [...mock.matchAll(/name: "(\w+)"/g)].map((found) => found[1]!);
  assert.deepEqual(known.sort(), Object.keys(en).sort());
});

test("values keep their unit and their range", () => {
  const units = unitsOf("seconds", t);
  assert.equal(fittingUnit("900", units), 60);
  assert.equal(fittingUnit("86400", units), 86_400);
  assert.equal(baseOf("1,5", 3_600), "5400");
  const f = formatNow();
  assert.equal(checkNumber(setting("grace_seconds"), "1.5", 60, t, f), null);
  assert.ok(checkNumber(setting("grace_seconds"), "5", 1, t, f));
  assert.ok(checkNumber(setting("grace_seconds"), "0.33", 60, t, f));
  assert.ok(checkNumber(setting("grace_seconds"), "-3", 60, t, f));
  assert.ok(checkNumber(setting("grace_seconds"), "1e3", 60, t, f));
});

test("risky values are asked about", () => {
  assert.equal(riskOf(setting("grace_seconds"), "30"), "ask");
  assert.equal(riskOf(setting("grace_seconds"), "600"), null);
  assert.equal(riskOf(setting("gc_enabled"), "false"), "typed");
  assert.equal(riskOf(setting("scrub_bytes_per_second"), "node"), null);
  assert.equal(riskOf(setting("scrub_bytes_per_second"), "0"), "ask");
});

test("what a class survives where there are few domains", () => {
  const shape = shapeOf({ kind: "erasure", data: 4, parity: 2 });
  assert.equal(bornBy(shape, 6), 2);
  assert.equal(bornBy(shape, 3), 1);
  assert.equal(bornBy(shape, 2), 0);
  assert.equal(bornBy(shapeOf({ kind: "replicated", copies: 3 }), 2), 1);
});

test("a class that the server would refuse is not sent", () => {
  const draft = { ...fresh(1), name: "cold", kind: "erasure" as const };
  assert.deepEqual(readDraft(draft, []).wrong, {});
  assert.deepEqual(readDraft({ ...draft, name: "a b" }, []).wrong, { name: true });
  assert.deepEqual(readDraft({ ...draft, chunk: "8000000" }, []).wrong, { multiple: true });
  assert.deepEqual(readDraft({ ...draft, kind: "replicated", copies: "2", min: "3" }, []).wrong, { min: true });
});
