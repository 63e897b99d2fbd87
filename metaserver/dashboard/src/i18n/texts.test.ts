// Dictionaries are complete in both languages, and no component speaks by itself.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { actions as actionsEn } from "./en/actions";
import { errors as errorsEn } from "./en/errors";
import { issues as issuesEn } from "./en/issues";
import { actions as actionsZh } from "./zh/actions";
import { errors as errorsZh } from "./zh/errors";
import { issues as issuesZh } from "./zh/issues";

const src = path.resolve("src");

function files(dir: string, test: RegExp): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const at = path.join(dir, entry.name);
    if (entry.isDirectory()) return files(at, test);
    return test.test(entry.name) ? [at] : [];
  });
}

test("what the server says has the same codes in both languages", () => {
  assert.deepEqual(Object.keys(issuesZh).sort(), Object.keys(issuesEn).sort());
  assert.deepEqual(Object.keys(errorsZh).sort(), Object.keys(errorsEn).sort());
  assert.deepEqual(Object.keys(actionsZh).sort(), Object.keys(actionsEn).sort());
});

test("every dictionary has a translation", () => {
  const names = (language: string) => readdirSync(path.join(src, "i18n", language)).sort();
  assert.deepEqual(
    names("zh").filter((name) => name !== "phrases.ts"),
    names("en"),
  );
});

test("components hold no text of their own", () => {
  const wrong: string[] = [];
  for (const file of files(src, /\.tsx$/)) {
    const text = readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
    // Two or more letters between tags, or in an attribute that people hear or read.
    const between = /<\/?[A-Za-z][^<>]*>\s*([A-Za-z\u4e00-\u9fff][A-Za-z\u4e00-\u9fff' ,.]*[a-z\u4e00-\u9fff]{2}[^<>{}=;()]*)<\//g;
    const attribute = /\b(?:aria-label|title|placeholder|alt|label)="([^"]*[A-Za-z\u4e00-\u9fff]{2}[^"]*)"/g;
    for (const form of [between, attribute]) {
      for (const found of text.matchAll(form)) {
        // The name of an action or a setting is the same in every language.
        if (/^[a-z_]+([._][a-z_]+)+$/.test(found[1] ?? "")) continue;
        wrong.push(`${path.relative(src, file)}: ${found[1]?.trim()}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

test("Chinese texts have full-width punctuation", () => {
  const wrong: string[] = [];
  for (const file of files(path.join(src, "i18n/zh"), /\.ts$/)) {
    const text = readFileSync(file, "utf8");
    for (const found of text.matchAll(/[\u4e00-\u9fff][,;:?!](?=[^/])/g)) {
      wrong.push(`${path.basename(file)}: ${text.slice(found.index - 8, found.index + 8)}`);
    }
  }
  assert.deepEqual(wrong, []);
});
