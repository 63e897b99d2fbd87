import assert from "node:assert/strict";
import { test } from "node:test";
import type { Account } from "../../api/types";
import { browserOf, covers, generatedPassword, isAccountName, isLastAdmin, passwordProblem, ruleProblem } from "./data";

const account = (name: string, role: Account["role"], disabled = false) => ({ name, role, disabled }) as Account;

test("the last enabled administrator is found", () => {
  const all = [account("a", "admin"), account("b", "admin", true), account("c", "viewer")];
  assert.equal(isLastAdmin(all, "a"), true);
  assert.equal(isLastAdmin(all, "b"), false);
  assert.equal(isLastAdmin([...all, account("d", "admin")], "a"), false);
});

test("names and passwords as the server takes them", () => {
  assert.ok(isAccountName("ci@build"));
  assert.ok(!isAccountName("Admin"));
  assert.ok(!isAccountName("-x"));
  assert.equal(passwordProblem("short", "admin"), "short");
  assert.equal(passwordProblem("my-Operator-secret", "operator"), "name");
  assert.equal(passwordProblem(generatedPassword(), "admin"), null);
});

test("rules", () => {
  const rule = (bucket: string, read = true) => ({ bucket, read, write: false, manage: false });
  assert.equal(ruleProblem(rule("")), "empty");
  assert.equal(ruleProblem(rule("a*b")), "star");
  assert.equal(ruleProblem(rule("a*", false)), "nothing");
  assert.equal(ruleProblem(rule("*")), null);
  assert.ok(covers("media-*", "media-old"));
  assert.ok(!covers("media", "media-old"));
});

test("browsers", () => {
  assert.deepEqual(browserOf("Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"), { browser: "Firefox 140", system: "Windows" });
  assert.equal(browserOf("curl/8"), null);
});
