import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, compact, latency, percent } from "./numbers";
import { ago, duration } from "./times";
import { middle, pieces, visible } from "./visible";

const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, " ");

test("sizes count by 1024 and keep three digits", () => {
  assert.equal(plain(bytes(0, "en")), "0 B");
  assert.equal(plain(bytes(999, "en")), "999 B");
  assert.equal(plain(bytes(1023, "en")), "1 KiB");
  assert.equal(plain(bytes(1536, "en")), "1.5 KiB");
  assert.equal(plain(bytes(12.34 * 2 ** 40, "zh")), "12.3 TiB");
  assert.equal(plain(bytes(640 * 2 ** 30, "en")), "640 GiB");
});

test("a share is only full when it is", () => {
  assert.equal(percent(0.9999, "en"), "99.9%");
  assert.equal(percent(1, "en"), "100%");
  assert.equal(percent(0.00001, "en"), "0.1%");
  assert.equal(percent(0, "en"), "0%");
  assert.equal(percent(Number.NaN, "en"), "0%");
});

test("numbers and times speak both languages", () => {
  assert.equal(compact(6_204_118, "en"), "6.2M");
  assert.equal(compact(6_204_118, "zh"), "620.4万");
  assert.equal(plain(latency(0.42, "en")), "0.42 ms");
  assert.equal(plain(duration(3_700, "en")), "1 h 1 min");
  assert.equal(plain(duration(90_000, "zh")), "1 天 1 小时");
  assert.equal(plain(duration(0, "en")), "0 s");
  assert.equal(ago(Date.now() - 300_000, "en"), "5 minutes ago");
});

test("what cannot be seen is made visible", () => {
  assert.equal(visible("a\u202egpj.exe"), "a‹RLO›gpj.exe");
  assert.equal(visible("a\nb\u0000"), "a‹LF›b‹NUL›");
  assert.equal(visible("  a b "), "␣␣a b␣");
  assert.equal(visible("   "), "␣␣␣");
  assert.equal(visible("<img src=x>"), "<img src=x>");
  assert.deepEqual(pieces("plain"), [{ text: "plain" }]);
  assert.equal(visible("\ud800"), "‹U+D800›");
});

test("long names lose their middle, not half a character", () => {
  assert.equal(middle("abcdefghij", 6), "abc…ij");
  assert.equal([...middle("😀".repeat(1000), 20)].length, 20);
  assert.equal(middle("short", 20), "short");
});
